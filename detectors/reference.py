"""What "no change" means for one segment and signal: a mean, its error, and how chance moves sums around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, assert_never

import numpy as np

from detectors.base import Array, Features, Labels, WatchedMap
from detectors.category import fit_category
from detectors.dispersion import dispersion, independent_units
from detectors.forms import Cumulants, cumulants, form_weights
from detectors.relation import fit_relation
from detectors.scalar import fit_scalar
from detectors.stack import Stack
from detectors.vector import fit_vector

Kind = Literal["scalar", "category", "vector", "relation"]

# Memories: from one pane to about the reference's own length, each two to four times as long as the one before.
_MEMORIES = 5
_SHORTEST = 16.0  # traces
# A rate that the reference saw too seldom by two standard errors makes no alarm.
_ERRORS = 2.0
# A third of so many stretches of the reference shape the maps.
_STRETCHES = 24


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The fitted baseline of one segment and signal: ``t`` turned features, ``r`` forms, ``h`` memories.

    Attributes:
        n: rows that the mean was taken over.
        mean: of all features, ``(k,)``.
        variances: of one trace along the axes of the views, ``(t,)``.
        cumulants: of the forms under no change.
        half_lives: of the memories, in traces, ``(h,)``.
        dispersion: variance of fading sums over that of independent traces, ``(h, t)``, at least one.
        unit: traces that hang together; the cumulants are of means of so many.
        doubt: one plus twice the relative standard error of the variances, ``(t,)``, much where a value is rare.
        jumps: third central moment over the variance along each axis, ``(t,)``: one for a rare share.
        smallest_effect: shifts below this many standard deviations along their direction are no drift.
        offset: taken from the evidence, and
        slope: its factor then, so that ``log A`` is reached about once in A panes without change.
        achieved: mean panes to a false alarm over those aimed at, in a replay without change; NaN where none was made
            or nothing varied.
    """

    n: int
    mean: Array
    variances: Array
    cumulants: Cumulants
    half_lives: Array
    dispersion: Array
    unit: float
    doubt: Array
    jumps: Array
    smallest_effect: float
    offset: float = -1.25
    slope: float = 1.0
    achieved: float = float("nan")

    @property
    def tested(self) -> int:
        """How many of the features are tested."""
        return len(self.variances)

    @property
    def over_dispersion(self) -> float:
        """Mean over all axes, by variance, at the middle memory: one for independent traces."""
        middle = self.dispersion[len(self.dispersion) // 2]
        return float(middle @ self.variances / max(float(self.variances.sum()), 1e-300))


def fit_reference(
    features: Features,
    feature_map: WatchedMap,
    *,
    panes: Labels | None = None,
    smallest_effect: float = 0.02,
) -> Reference:
    """Centre on ``(m, k)`` features of rows that the map did not learn from.

    Args:
        features: rows of the reference, in any order.
        feature_map: the map that made them.
        panes: pane of each row ``(m,)``, in the order of time; None takes rows as independent.
        smallest_effect: in standard deviations along the direction of a shift.
    """
    if len(features) < 2:
        raise ValueError(f"expected at least 2 rows of reference, got {len(features)}")
    tested, mean = feature_map.tested, features.mean(axis=0, dtype=np.float64)
    rows = feature_map.turn(features[:, :tested] - mean[:tested])
    # What the reference never saw would be infinitely surprising if it were taken for impossible.
    unseen = feature_map.turn(feature_map.unseen[:, :tested] - mean[:tested])
    seen = np.vstack([rows, unseen])
    variances = (seen**2).sum(axis=0) / (len(seen) - 1)
    half_lives = memories(len(rows), 1.0 if panes is None else len(rows) / max(len(np.unique(panes)), 1))
    views = feature_map.views
    together = np.ones((len(half_lives), rows.shape[1]))
    units, size, few = seen, 1.0, 4
    if panes is not None:
        together = dispersion(rows, panes, views=views, half_lives=half_lives, variances=variances)
        if together.max() > 1.0:
            hanging = independent_units(rows, panes, (together.max(axis=0) - 1.0) * variances)
            units, size, few = np.vstack([hanging.rows, unseen / np.sqrt(hanging.size)]), hanging.size, 1
    safe = np.maximum(variances, 1e-300)
    fourth = np.maximum((seen**4).mean(axis=0) - variances**2, 0.0)
    random = np.random.default_rng(len(rows))
    found = cumulants(units, views, form_weights(views, variances), random, few=few)
    return Reference(
        n=len(features),
        mean=mean,
        variances=variances,
        cumulants=found,
        half_lives=half_lives,
        dispersion=together,
        unit=size,
        doubt=1.0 + _ERRORS * np.sqrt(fourth / len(seen)) / safe,
        jumps=(seen**3).mean(axis=0) / safe,
        smallest_effect=smallest_effect,
    )


def memories(rows: int, pane: float) -> Array:
    """Half-lives in traces, from a pane of ``pane`` traces to about ``rows``."""
    shortest = max(_SHORTEST, pane)
    ratio = np.clip((rows / shortest) ** (1.0 / (_MEMORIES - 1)), 2.0, 4.0)
    found: Array = shortest * ratio ** np.arange(_MEMORIES)
    return found


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

    Rows that shaped a map look closer to it than new ones do: a category's rows are never "other", a vector's clusters
    lie where its rows happen to be, a prompt's answer is predicted too well. So maps are fitted on a random third, of
    rows or of stretches of panes, and centred on the rest. A scalar's cells cost nothing: given its order statistics,
    the mass of a cell is off by as much as the share of an independent sample would be. It uses every row for both.

    Args:
        columns: one column of ``n`` values per signal of ``kinds``.
        kinds: what each signal is.
        seed: of the split and of the random features.
        panes: pane of each row ``(n,)``; None takes rows as independent.
    """
    every = np.arange(len(columns[next(iter(kinds))]))
    stretches = every if panes is None else stretches_of(panes)
    third, rest = _split(stretches, np.random.default_rng(seed))
    maps: dict[str, WatchedMap] = {}
    centring: dict[str, Labels] = {}
    for name, kind in kinds.items():
        alone = kind == "scalar"
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


def fit_map(column: Any, kind: Kind, *, seed: int) -> WatchedMap:
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


def stretches_of(panes: Labels) -> Labels:
    """The stretch of each row: panes in a row, so many that what hangs together over several of them is left whole."""
    names, place = np.unique(panes, return_inverse=True)
    stretches: Labels = place * min(_STRETCHES, len(names)) // len(names)
    return stretches


def _split(stretches: Labels, random: np.random.Generator) -> tuple[Labels, Labels]:
    """Rows of a random third of the stretches, and the others."""
    count = int(stretches.max()) + 1
    chosen = random.permutation(count) < max(count // 3, 1)
    return np.flatnonzero(chosen[stretches]), np.flatnonzero(~chosen[stretches])
