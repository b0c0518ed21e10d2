"""Numbers as features: a histogram, a normal score and its square, missing values, and the level in native units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from detectors.base import Array, Features, Labels, View

_LEVEL_LIMIT = 50.0
# What differs by less, relative to the spread, may be rounding: of a sum in another order, of another batch.
_GRAIN = 1e-5
_GAPS = 16.0


@dataclass(frozen=True, slots=True, eq=False)
class ScalarMap:
    """Cells of equal reference mass, each with fixed features, so the reference is known exactly as shares of cells.

    The features are the one-hot bin, the normal score z, its square (centred, down-weighted), "missing", and last,
    untested, the level ``(x − centre) / spread`` clipped to ±50, from which the mean comes back in native units.

    Attributes:
        edges: inner edges of the cells ``(c − 1,)``, ascending; a cell is ``(edge, next edge]``, the outer two open.
        table: tested features of each cell, and of a missing value last, ``(c + 1, bins + 3)``.
        bin_edges: inner edges of the bins, a subset of ``edges``.
        centre: the reference's median.
        spread: the reference's span between its 1st and 99th percentile, or what stands in for it.
    """

    edges: Array
    table: Features
    bin_edges: Array
    centre: float
    spread: float

    @property
    def bins(self) -> int:
        """How many bins the histogram has, without the missing values."""
        return len(self.bin_edges) + 1

    @property
    def size(self) -> int:
        """Bins, score, square, missing, level."""
        return self.bins + 4

    @property
    def tested(self) -> int:
        """All but the level."""
        return self.bins + 3

    @property
    def bound(self) -> float:
        """The longest row of the table."""
        return float(np.linalg.norm(self.table, axis=1).max())

    @property
    def views(self) -> tuple[View, ...]:
        """Level first, since most changes are shifts; then spread, shape, and values that are gone."""
        bins = self.bins
        return (
            View("level", bins, bins + 1, (None,), 0.5),
            View("spread", bins + 1, bins + 2, (None,), 0.15),
            View("shape", 0, bins, (1.0,), 0.25),
            View("missing", bins + 2, bins + 3, (None,), 0.1),
        )

    @property
    def missing(self) -> Features:
        """The last row of the table, without a level."""
        return np.append(self.table[-1], np.float32(0.0))

    @property
    def unseen(self) -> Features:
        """The lowest, the highest and the missing value."""
        return np.pad(self.table[[0, -2, -1]], ((0, 0), (0, 1)))

    def cells(self, values: Array) -> Labels:
        """The row of the table that each of ``n`` numbers has; NaN, which sorts after every edge, has the last."""
        return np.searchsorted(self.edges, values, side="left") + np.isnan(values)

    def turn(self, features: Array) -> Array:
        """As they are."""
        return features

    def turn_back(self, turned: Array) -> Array:
        """As they are."""
        return turned

    def apply(self, column: Array) -> Features:
        """Features ``(n, size)`` of ``n`` numbers; NaN is missing."""
        values = np.asarray(column, dtype=np.float64)
        missing = np.isnan(values)
        features = np.empty((len(values), self.size), dtype=np.float32)
        features[:, :-1] = self.table[self.cells(values)]
        level = np.clip((values - self.centre) / self.spread, -_LEVEL_LIMIT, _LEVEL_LIMIT)
        features[:, -1] = np.where(missing, 0.0, level)
        return features


def quantile_edges(sample: Array, cells: int) -> Array:
    """Inner edges that split the sorted sample into at most ``cells`` cells of about equal mass.

    Ties merge edges; a value so frequent that two quantiles meet on it gets a cell of its own.

    >>> quantile_edges(np.arange(8.0), 4)
    array([1., 3., 5.])
    >>> quantile_edges(np.full(9, 2.0), 4)
    array([2., 2.])
    """
    levels = np.arange(1, cells) / cells
    quantiles = np.quantile(sample, levels, method="inverted_cdf")
    edges, times = np.unique(quantiles, return_counts=True)
    return np.union1d(edges, np.nextafter(edges[times > 1], -np.inf))


def beside(edges: Array, sample: Array, grain: float) -> Array:
    """Quantile edges moved off the values that they lie on, by half a ``grain``.

    A value that comes again and again differs in its last digits; an edge on it would part its traces by them. Values
    of which each is within a grain of the next stay in one cell.

    >>> beside(np.array([1.0, 2.0]), np.array([0.0, 1.0, 1.0 + 1e-9, 2.0]), 1e-6).round(7)
    array([1.0000005, 2.0000005])
    """
    values = np.unique(sample)
    last = np.append(np.diff(values) > grain, True)
    tops, starts = values[last], values[np.append(True, last[:-1])]
    run = np.minimum(np.searchsorted(tops, edges), len(tops) - 1)
    return np.unique(np.where(np.isin(edges, values), tops[run] + grain / 2.0, starts[run] - grain / 2.0))


def fit_scalar(values: Array, *, bins: int = 32, cells: int = 256, tails: tuple[float, ...] = ()) -> ScalarMap:
    """The map whose cells have equal mass in ``values`` ``(n,)``; NaN and infinities take no part.

    ``tails`` are further quantiles that bins end at.
    """
    sample = np.sort(values[np.isfinite(values)])
    if not len(sample):
        sample = np.zeros(1)
    low, middle, high = np.quantile(sample, [0.01, 0.5, 0.99])
    spread = float(high - low) or float(sample[-1] - sample[0]) or max(abs(float(middle)), 1.0)
    grain = spread * min(_GRAIN, 1.0 / (_GAPS * len(sample)))
    bin_edges = quantile_edges(sample, bins)
    if tails:
        bin_edges = np.union1d(bin_edges, np.quantile(sample, tails, method="inverted_cdf"))
    edges = beside(np.union1d(quantile_edges(sample, cells), bin_edges), sample, grain)
    bin_edges = beside(bin_edges, sample, grain)
    scores = _normal_scores(sample, edges, cells)
    # The bin of a cell is the bin of its upper edge; the last cell has none and lies in the last bin.
    bin_of_cell = np.append(np.searchsorted(bin_edges, edges, side="left"), len(bin_edges))
    count = len(bin_edges) + 1
    table = np.zeros((len(scores) + 1, count + 3), dtype=np.float32)
    table[np.arange(len(scores)), bin_of_cell] = 1.0
    table[:-1, count] = scores
    table[:-1, count + 1] = (scores**2 - 1.0) / 3.0
    table[-1, count + 2] = 1.0
    return ScalarMap(edges, table, bin_edges, float(middle), spread)


def _normal_scores(sample: Array, edges: Array, cells: int) -> Array:
    """The normal score of each cell's middle rank in the sorted sample, no further out than one cell in ``cells``."""
    below: Labels = np.searchsorted(sample, edges, side="right")
    starts, stops = np.append(0, below), np.append(below, len(sample))
    middle_rank = (starts + stops) / (2.0 * len(sample))
    tail = 0.5 / cells
    return np.asarray(ndtri(np.clip(middle_rank, tail, 1.0 - tail)))
