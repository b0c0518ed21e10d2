"""What "no change" means for one segment and signal: a mean, its error, and the spread around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, assert_never

import numpy as np

from detectors.base import Array, FeatureMap, Features, Labels, Sum
from detectors.category import fit_category
from detectors.relation import fit_relation
from detectors.scalar import fit_scalar
from detectors.stack import Stack
from detectors.vector import fit_vector

Kind = Literal["scalar", "category", "vector", "relation"]

_ATOMS = 512


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The fitted baseline of one segment and signal. ``t`` is the number of tested features, ``t ≤ k``.

    Attributes:
        n: rows that the mean was taken over.
        mean: ``(k,)``.
        axes: principal axes of the tested features, one per column, ``(t, t)``.
        variances: along the axes, ``(t,)``.
        atoms: rows minus the mean, in the axes, that stand for the distribution, ``(r, t)``; exact where a map has few.
        shares: how much of the distribution each atom carries, ``(r,)``, adding to one.
        bound: no trace has tested features longer than this.
        over_dispersion: variance of pane means over that of independent traces, at least 1.
        smallest_effect: shifts below this many standard deviations along the tested direction are no drift.
    """

    n: int
    mean: Array
    axes: Features
    variances: Array
    atoms: Features
    shares: Array
    bound: float
    over_dispersion: float
    smallest_effect: float

    @property
    def tested(self) -> int:
        """How many of the features are tested."""
        return len(self.variances)

    @property
    def covariance(self) -> Array:
        """Of the tested features, ``(t, t)``."""
        axes = self.axes.astype(np.float64)
        return (axes * self.variances) @ axes.T

    def shift(self, pane: Sum) -> Array:
        """What the pane adds to the tested features beyond the reference mean, in the axes, ``(t,)``."""
        beyond = pane.total[: self.tested] - pane.n * self.mean[: self.tested]
        turned: Array = (beyond.astype(np.float32) @ self.axes).astype(np.float64)
        return turned


def fit_reference(
    features: Features,
    feature_map: FeatureMap,
    *,
    panes: Labels | None = None,
    smallest_effect: float = 0.02,
) -> Reference:
    """Centre on ``(m, k)`` features of rows that the map did not learn from.

    Args:
        features: rows of the reference, in any order.
        feature_map: the map that made them.
        panes: pane of each row ``(m,)``, from which the over-dispersion is estimated; None takes rows as independent.
        smallest_effect: in standard deviations along the tested direction.
    """
    if len(features) < 2:
        raise ValueError(f"expected at least 2 rows of reference, got {len(features)}")
    mean = features.mean(axis=0, dtype=np.float64)
    centred = features[:, : feature_map.tested].astype(np.float64) - mean[: feature_map.tested]
    variances, axes = np.linalg.eigh(centred.T @ centred / (len(features) - 1))
    atoms, shares = _atoms(centred.astype(np.float32))
    axes = axes.astype(np.float32)
    return Reference(
        n=len(features),
        mean=mean,
        axes=axes,
        variances=np.maximum(variances, 0.0),
        atoms=atoms @ axes,
        shares=shares,
        bound=feature_map.bound,
        over_dispersion=1.0 if panes is None else over_dispersion(centred, panes),
        smallest_effect=smallest_effect,
    )


def over_dispersion(centred: Array, panes: Labels) -> float:
    """Variance between pane means over the variance within, one when that could be chance; never below one.

    The ratio is ``Σ_p n_p |m_p|² / (P − 1)`` over the trace of the covariance. Under independence it varies by
    about ``sqrt(2 / (P − 1) / d)`` with d the effective number of dimensions, ``tr(Σ)² / tr(Σ²)``.
    """
    _, place = np.unique(panes, return_inverse=True)
    counts = np.bincount(place)
    covariance = centred.T @ centred / max(len(centred) - 1, 1)
    total = float(np.trace(covariance))
    if len(counts) < 8 or total <= 0:
        return 1.0
    sums = np.zeros((len(counts), centred.shape[1]))
    np.add.at(sums, place, centred)
    between = float(((sums**2).sum(axis=1) / counts).sum()) / (len(counts) - 1)
    chance = np.sqrt(2.0 / (len(counts) - 1) * float((covariance**2).sum()) / total**2)
    ratio = between / total
    return ratio if ratio > 1.0 + 1.64 * chance else 1.0


def fit(
    columns: Mapping[str, Any],
    kinds: Mapping[str, Kind],
    *,
    seed: int,
    panes: Labels | None = None,
    smallest_effect: float = 0.02,
) -> tuple[Stack, dict[str, Reference]]:
    """A map and a reference per signal, from one column of ``n ≥ 3`` values each; see ``fit_stack``."""
    stack, centring = fit_stack(columns, kinds, seed=seed, panes=panes)
    features = stack.apply(columns)
    return stack, fit_references(stack, features, centring, panes=panes, smallest_effect=smallest_effect)


def fit_stack(
    columns: Mapping[str, Any], kinds: Mapping[str, Kind], *, seed: int, panes: Labels | None = None
) -> tuple[Stack, dict[str, Labels]]:
    """A map per signal, and the rows that a reference of each may be centred on.

    Rows that shaped a map look closer to it than new ones do: a category's rows are never "other", a prompt's answer
    is predicted too well. So these maps are fitted on a random third of the panes and centred on the rest. A scalar's
    cells and a Gaussian kernel's width cost nothing: given its order statistics, the mass of a cell is off by as much
    as the share of an independent sample would be. These use every row for both.

    Args:
        columns: one column of ``n`` values per signal of ``kinds``.
        kinds: what each signal is.
        seed: of the split and of the random features.
        panes: pane of each row ``(n,)``; None takes rows as independent.
    """
    every = np.arange(len(columns[next(iter(kinds))]))
    third, rest = _split(every if panes is None else panes, np.random.default_rng(seed))
    maps: dict[str, FeatureMap] = {}
    centring: dict[str, Labels] = {}
    for name, kind in kinds.items():
        alone = kind in ("scalar", "vector")
        maps[name] = fit_map(columns[name] if alone else take(columns[name], third), kind, seed=seed)
        centring[name] = every if alone else rest
    return Stack(maps), centring


def fit_references(
    stack: Stack,
    features: Features,
    centring: Mapping[str, Labels],
    *,
    panes: Labels | None = None,
    smallest_effect: float = 0.02,
) -> dict[str, Reference]:
    """A reference per signal of ``centring``, each from its rows of the ``(n, size)`` features.

    The reference of a segment comes of the rows that are both in ``centring`` and in the segment.
    """
    slices = stack.slices()
    return {
        name: fit_reference(
            features[rows, slices[name]],
            stack.maps[name],
            panes=None if panes is None else panes[rows],
            smallest_effect=smallest_effect,
        )
        for name, rows in centring.items()
    }


def fit_map(column: Any, kind: Kind, *, seed: int) -> FeatureMap:
    """The feature map of its kind, fitted on the column."""
    match kind:
        case "scalar":
            return fit_scalar(np.asarray(column, dtype=np.float64))
        case "category":
            return fit_category(column)
        case "vector":
            return fit_vector(column, seed=seed)
        case "relation":
            return fit_relation(column, seed=seed)
        case _:
            assert_never(kind)


def take(column: Any, rows: Labels) -> Any:
    """The given rows of a column, be it an array or a sequence of labels."""
    if isinstance(column, np.ndarray):
        return column[rows]
    labels: Sequence[str | None] = column
    return [labels[row] for row in rows.tolist()]


def _split(panes: Labels, random: np.random.Generator) -> tuple[Labels, Labels]:
    """Rows of a random third of the panes, and the others; whole panes, so that what hangs together stays together."""
    names, place = np.unique(panes, return_inverse=True)
    chosen = random.permutation(len(names)) < max(len(names) // 3, 1)
    return np.flatnonzero(chosen[place]), np.flatnonzero(~chosen[place])


def _atoms(centred: Features) -> tuple[Features, Array]:
    """All distinct rows with their shares if there are few, else the first rows (in random order) with equal shares."""
    distinct, counts = np.unique(centred[: 2 * _ATOMS], axis=0, return_counts=True)
    if len(distinct) <= _ATOMS:
        distinct, counts = np.unique(centred, axis=0, return_counts=True)
    if len(distinct) <= _ATOMS:
        return distinct, counts / counts.sum()
    chosen = np.linspace(0, len(centred) - 1, _ATOMS).astype(np.int64)
    return centred[chosen], np.full(_ATOMS, 1.0 / _ATOMS)
