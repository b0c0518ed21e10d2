"""One signal on both sides: the tests, the sizes with their intervals, and how well each trace shows the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detectors.base import Array
from detectors.clusters import fit_clusters
from detectors.intervals import (
    Estimate,
    category_estimates,
    centroid_cosine,
    mean_difference,
    mmd2,
    scalar_estimates,
    share_difference,
)
from detectors.multiplicity import log_e
from detectors.projection import fit_projection
from detectors.residual import residuals
from detectors.twosample import (
    Tested,
    VectorTest,
    compare_categories,
    compare_scalars,
    compare_vectors,
    counted,
    labels_of,
    missing_only,
)
from monitor.comparing.bars import label_bars, number_bars
from monitor.comparing.telling import told_category, told_scalar, told_vector
from monitor.model.comparison import Bars, Finding
from monitor.model.signal import KINDS, UNITS, Column, Kind

# Fewer traces with a value than this on either side show nothing that could be relied on.
LEAST = 30
# New is what lies farther from every topic than this share of the traces before.
FAMILIAR = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A finding without its verdict, and how well each trace shows it.

    Attributes:
        finding: pairs and the adjusted p-value are still to come.
        place_before: of each trace ``(n,)`` along the difference; NaN where it has no value.
        place_now: of the other side, ``(m,)``; the largest show the difference best.
    """

    finding: Finding
    place_before: Array
    place_now: Array


def measured(name: str, before: Column, now: Column, *, seed: int) -> Measured:
    """The tests and sizes of one signal."""
    match KINDS[name]:
        case "scalar":
            return scalar(name, np.asarray(before, float), np.asarray(now, float), seed)
        case "category":
            return category(name, list(before), list(now), seed)
        case "relation" as kind:
            first, second = residuals(np.asarray(before), np.asarray(now))
            return vector(name, kind, first, second, seed)
        case kind:
            return vector(name, kind, np.asarray(before), np.asarray(now), seed)


def scalar(name: str, before: Array, now: Array, seed: int) -> Measured:
    """Numbers, NaN being missing."""
    first, second = before[np.isfinite(before)], now[np.isfinite(now)]
    tested = compare_scalars(before, now)
    estimates: tuple[Estimate, ...] = ()
    if len(first) and len(second):
        random = np.random.default_rng(seed)
        estimates = (mean_difference(first, second), *scalar_estimates(first, second, random))
    means = tuple(float(side.mean()) if len(side) else None for side in (first, second))
    finding = replace(
        finding_of(name, (before, now), (len(first), len(second)), tested),
        mean_before=means[0],
        mean_now=means[1],
        estimates=estimates,
        bars=number_bars(first, second),
        told=told_scalar(name, means, tested.leading, (1.0 - len(first) / len(before), 1.0 - len(second) / len(now))),
    )
    return Measured(finding, *scalar_places(before, now, tested.leading, means))


def scalar_places(before: Array, now: Array, leading: str, means: tuple[float | None, ...]) -> tuple[Array, Array]:
    """How far each number lies on the side that the second sample moved to; a missing one where that is the change."""
    if leading == "missing" or None in means:
        return np.isnan(before).astype(float), np.isnan(now).astype(float)
    middle = float(np.nanmedian(np.concatenate([before, now])))
    if leading == "spread":
        wider = 1.0 if np.nanmean(np.abs(now - middle)) >= np.nanmean(np.abs(before - middle)) else -1.0
        return wider * np.abs(before - middle), wider * np.abs(now - middle)
    rises = 1.0 if np.nanmedian(now) > np.nanmedian(before) or (means[1] or 0.0) >= (means[0] or 0.0) else -1.0
    return rises * (before - middle), rises * (now - middle)


def category(name: str, before: Sequence[str | None], now: Sequence[str | None], seed: int) -> Measured:
    """Labels, None being one of them."""
    order = labels_of(before, now)
    first, second = counted(before, now)
    tested = compare_categories(before, now)
    estimates = category_estimates(first, second, np.random.default_rng(seed))
    shares = first / first.sum(), second / second.sum()
    gain = dict(zip(order, (shares[1] - shares[0]).tolist(), strict=True))
    here = tuple(sum(label is not None for label in side) for side in (before, now))
    finding = replace(
        finding_of(name, (before, now), (here[0], here[1]), tested),
        estimates=estimates,
        bars=label_bars(order, *shares),
        told=told_category(name, order, *shares),
    )
    return Measured(finding, np.array([gain[label] for label in before]), np.array([gain[label] for label in now]))


def vector(name: str, kind: Kind, before: NDArray[np.floating], now: NDArray[np.floating], seed: int) -> Measured:
    """Vectors, a row with a NaN being missing."""
    here = np.isfinite(before).all(axis=1), np.isfinite(now).all(axis=1)
    counts = int(here[0].sum()), int(here[1].sum())
    places = np.full(len(before), np.nan), np.full(len(now), np.nan)
    if min(counts) < LEAST:
        tested = missing_only(len(before) - counts[0], len(before), len(now) - counts[1], len(now))
        finding = replace(finding_of(name, (before, now), counts, tested), told=told_vector(name, "missing", None))
        return Measured(finding, *places)
    found = compare_vectors(before, now, seed=seed)
    random = np.random.default_rng(seed)
    shape = found.ruler.slices()["shape"]
    estimates: tuple[Estimate, ...] = (mmd2(found.before[:, shape], found.now[:, shape]),)
    novel = None
    if kind == "vector":  # of a residual neither the direction nor what is new has a meaning
        novel = novelty(before[here[0]], now[here[1]], seed=seed)
        estimates = (*estimates, novel, centroid_cosine(before[here[0]], now[here[1]], random))
    places[0][here[0]], places[1][here[1]] = vector_places(found)
    finding = replace(
        finding_of(name, (before, now), counts, found.test),
        estimates=estimates,
        bars=number_bars(*(side[np.isfinite(side)] for side in places)),
        told=told_vector(name, found.test.leading, novel),
    )
    return Measured(finding, *places)


def vector_places(found: VectorTest) -> tuple[Array, Array]:
    """``⟨g, φ(x) − μ⟩`` of each row, in standard deviations before.

    g is the direction of the test that decided, and, since shares of topics are steps, a little of the direction of the
    means, which orders the rows of one step.
    """
    mean = found.ruler.slices()["mean"]
    shift = found.now.mean(axis=0, dtype=np.float64) - found.before.mean(axis=0, dtype=np.float64)
    smooth = np.zeros(len(shift))
    smooth[mean] = found.ruler.mean.direction(shift[mean])
    along = [standardised(found.before @ g, found.now @ g) for g in (found.direction, smooth)]
    return along[0][0] + 0.1 * along[1][0], along[0][1] + 0.1 * along[1][1]


def standardised(before: Array, now: Array) -> tuple[Array, Array]:
    """Both, less the mean and over the standard deviation of the first."""
    spread = float(before.std()) or 1.0
    return (before - before.mean()) / spread, (now - before.mean()) / spread


def novelty(before: NDArray[np.floating], now: NDArray[np.floating], *, seed: int) -> Estimate:
    """The share of vectors beyond what is familiar: farther from every topic than 99 % of the vectors before.

    Topics are fitted on one half of those before and the limit is taken from the other, whose share beyond it is
    subtracted. A lower limit of what is new: what lies among old topics does not count.
    """
    order = np.random.default_rng(seed).permutation(len(before))
    fitting, rest = before[order[: len(order) // 2]], before[order[len(order) // 2 :]]
    projection = fit_projection(fitting)
    clusters = fit_clusters(projection.apply(fitting), seed=seed)
    known, seen = (clusters.place(projection.apply(rows))[1] for rows in (rest, now))
    limit = float(np.quantile(known, FAMILIAR))
    counts = int((known > limit).sum()), len(known), int((seen > limit).sum()), len(seen)
    found = share_difference("novel traffic", *counts)
    # A share below zero is none: less is far from every topic than before.
    return replace(found, value=max(found.value, 0.0), low=max(found.low, 0.0), high=max(found.high, 0.0))


def finding_of(name: str, sides: tuple[Column, Column], counts: tuple[int, int], tested: Tested) -> Finding:
    """A finding before its verdict; sizes, bars and words are still to come."""
    few = min(len(side) for side in sides) < LEAST or max(counts) < LEAST
    return Finding(
        signal=name,
        kind=KINDS[name],
        unit=UNITS[name],
        n_before=counts[0],
        n_now=counts[1],
        missing_before=1.0 - counts[0] / len(sides[0]),
        missing_now=1.0 - counts[1] / len(sides[1]),
        mean_before=None,
        mean_now=None,
        estimates=(),
        log_p=tested.log_p,
        log_e=log_e(tested.log_p),
        log_adjusted=0.0,
        tests=tested.log_ps,
        verdict="too few traces" if few else "no evidence",
        bars=Bars((), (), ()),
        told="",
        pairs=(),
    )
