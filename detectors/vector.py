"""Embeddings as features: the vector itself, its nearest cluster, how near that is, and what no axis explains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.base import Array, Features, Labels, View
from detectors.clusters import kmeans, nearest
from detectors.scalar import ScalarMap, fit_scalar

# Distances are told apart finely where the far ones lie: a novel topic is far from every cluster.
_BINS = 16
_TAILS = (0.97, 0.99, 0.997, 0.999)
_TIMES_AS_LONG = 4.0
# Distances are told in so many parts of the longest vector. One text has vectors that differ in the seventh digit with
# the texts encoded beside it; where an answer is given often, such a difference must not part its traces.
_GRAINS = 1024
_ROUNDING = 1e-5  # of the squared length, what single precision leaves of nothing
# Fewer rows than this to a cluster or an axis would fit noise.
_ROWS_PER_CLUSTER, _ROWS_PER_AXIS = 16, 4


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingMap:
    """Views of a vector x whose means are bounded and add.

    The centred vector (whose mean shows a shift in any direction), the one-hot nearest of k clusters (a mix), the
    distance to it within the leading axes (a new topic) and the length of the rest (a scale), the latter two as bins,
    normal score and its square; missing last.

    Attributes:
        centre: ``(d,)``, subtracted first.
        axes: principal axes of the rows it was fitted on, one per column, largest variance first, ``(d, d)``.
        clusters: centres in the first m axes, ``(k, m)``.
        near: map of the distance to the nearest cluster.
        rest: map of the length outside the first m axes.
        longest: a centred vector is cut to this length, so that no trace outweighs all others.
    """

    centre: Features
    axes: Features
    clusters: Features
    near: ScalarMap
    rest: ScalarMap
    longest: float

    @property
    def grain(self) -> float:
        """Distances are multiples of this."""
        return self.longest / (_TIMES_AS_LONG * _GRAINS)

    @property
    def size(self) -> int:
        """Vector, clusters, two distances, missing."""
        return len(self.centre) + len(self.clusters) + _columns(self.near) + _columns(self.rest) + 1

    @property
    def tested(self) -> int:
        """All of them."""
        return self.size

    @property
    def bound(self) -> float:
        """The longest vector, in one cluster, at the distances with the longest features."""
        return float(np.linalg.norm([self.longest, 1.0, self.near.bound, self.rest.bound]))

    @property
    def views(self) -> tuple[View, ...]:
        """Mean, mix, and the two distances; the mean carries most kinds of change."""
        d, k = len(self.centre), len(self.clusters)
        near, rest, end = d + k, d + k + _columns(self.near), self.size - 1
        return (
            View("mean", 0, d, (None, 1.0, 0.1), 0.4),
            View("mix", d, d + k, (1.0,), 0.15),
            View("novelty", near, rest - 2, (1.0, 0.1), 0.1),
            View("distance", rest - 2, rest - 1, (None,), 0.1),
            View("distance spread", rest - 1, rest, (None,), 0.025),
            View("remainder", rest, end - 2, (1.0, 0.1), 0.05),
            View("scale", end - 2, end - 1, (None,), 0.1),
            View("scale spread", end - 1, end, (None,), 0.025),
            View("missing", end, end + 1, (None,), 0.05),
        )

    @property
    def missing(self) -> Features:
        """One in the last place."""
        return np.append(np.zeros(self.size - 1, dtype=np.float32), np.float32(1.0))

    @property
    def unseen(self) -> Features:
        """The missing vector."""
        return self.missing[None]

    def turn(self, features: Array) -> Array:
        """The vector in its principal axes, the rest as it is."""
        d = len(self.centre)
        # In single precision, as the axes are.
        return np.concatenate([features[..., :d].astype(np.float32) @ self.axes, features[..., d:]], axis=-1)

    def turn_back(self, turned: Array) -> Array:
        """The vector from its principal axes, the rest as it is."""
        d = len(self.centre)
        return np.concatenate([turned[..., :d] @ self.axes.T, turned[..., d:]], axis=-1)

    def apply(self, column: NDArray[np.floating]) -> Features:
        """Features ``(n, size)`` of ``n`` vectors; a row with a NaN is missing."""
        rows = np.asarray(column, dtype=np.float32)
        sound = np.isfinite(rows).all(axis=1)
        features = np.zeros((len(rows), self.size), dtype=np.float32)
        if sound.all():
            self.write(features, rows)
        else:
            filled = np.zeros((int(sound.sum()), self.size), dtype=np.float32)
            self.write(filled, rows[sound])
            features[sound] = filled
            features[~sound, -1] = 1.0
        return features

    def write(self, features: Features, rows: Features) -> None:
        """Fills zeroed ``features (n, size)`` with those of ``n`` finite vectors."""
        d, k, m = len(self.centre), len(self.clusters), self.clusters.shape[1]
        centred = np.subtract(rows, self.centre, out=features[:, :d])
        lengths = np.sqrt(np.einsum("ij,ij->i", centred, centred))
        long = lengths > self.longest
        centred[long] *= (self.longest / lengths[long])[:, None]
        inside = centred @ self.axes[:, :m]
        nearest, near, rest = distances(centred, inside, self.clusters, self.grain)
        features[np.arange(len(rows)), d + nearest] = 1.0
        stop = d + k + _columns(self.near)
        features[:, d + k : stop] = self.near.table[self.near.cells(near), :-1]
        features[:, stop:-1] = self.rest.table[self.rest.cells(rest), :-1]


def _columns(distance: ScalarMap) -> int:
    """Bins, score and square: a distance is never missing alone."""
    return distance.bins + 2


def distances(centred: Features, inside: Features, clusters: Features, grain: float) -> tuple[Labels, Array, Array]:
    """The nearest cluster of each row, the distance to it within the leading axes, and the length outside them.

    Both in multiples of ``grain``.
    """
    cluster, near = nearest(inside, clusters)
    squares, whole = np.einsum("ij,ij->i", inside, inside), np.einsum("ij,ij->i", centred, centred)
    lengths = [
        np.rint(np.sqrt(np.where(square > _ROUNDING * whole, square, 0.0), dtype=np.float64) / grain) * grain
        for square in (near, whole - squares)
    ]
    return cluster, lengths[0], lengths[1]


def fit_vector(x: NDArray[np.floating], *, clusters: int = 64, axes: int = 48, seed: int) -> EmbeddingMap:
    """The map of the rows of ``x`` ``(n, d)``, NaN rows left out; centre it on others, or distances look too small."""
    rows = np.asarray(x, dtype=np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not len(rows):
        rows = np.zeros((1, x.shape[1]))
    centre = rows.mean(axis=0)
    centred = rows - centre
    turned = np.linalg.eigh(centred.T @ centred)[1][:, ::-1].astype(np.float32)
    m = max(1, min(axes, len(centre), len(rows) // _ROWS_PER_AXIS))
    k = max(1, min(clusters, len(rows) // _ROWS_PER_CLUSTER))
    inside = centred.astype(np.float32) @ turned[:, :m]
    found = kmeans(inside, k, np.random.default_rng(seed))
    longest = float(np.linalg.norm(centred, axis=1).max()) or 1.0
    _, near, rest = distances(centred.astype(np.float32), inside, found, longest / _GRAINS)
    return EmbeddingMap(
        centre.astype(np.float32),
        turned,
        found,
        fit_scalar(near, bins=_BINS, tails=_TAILS),
        fit_scalar(rest, bins=_BINS, tails=_TAILS),
        _TIMES_AS_LONG * longest,
    )
