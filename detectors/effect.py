"""How large a change is, in words people know, from sums alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from detectors.base import Array, Sum, WatchedMap
from detectors.category import CategoryMap
from detectors.reference import Reference
from detectors.scalar import ScalarMap


@dataclass(frozen=True, slots=True)
class Effect:
    """The size of a change of one signal.

    Attributes:
        kind: what ``value`` is: ``psi`` for scalars, ``total_variation`` for categories, ``mmd2`` for vectors.
        value: zero when nothing changed; NaN when there is no trace.
        reference: the reference's mean in native units, for scalars.
        now: the mean now in native units, for scalars.
        distance: largest difference between the cumulative histograms (Kolmogorov-Smirnov on bins), for scalars.
        missing_reference: share of missing values in the reference.
        missing_now: share of missing values now.
    """

    kind: str
    value: float
    reference: float | None
    now: float | None
    distance: float | None
    missing_reference: float
    missing_now: float


def psi(reference: Array, now: Array) -> float:
    """Population stability index ``Σ (q − p) ln(q / p)`` of two vectors of counts.

    A bin that is empty in one of them counts as half a trace there, so the index is finite.

    >>> round(psi(np.array([50.0, 50.0]), np.array([25.0, 75.0])), 6)  # 0.25 ln 2 + 0.25 ln 1.5, by hand
    0.274653
    """
    either = (reference > 0) | (now > 0)
    p, q = np.maximum(reference[either], 0.5), np.maximum(now[either], 0.5)
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def total_variation(reference: Array, now: Array) -> float:
    """Half the summed difference of shares: how much of the traffic would have to change label.

    >>> total_variation(np.array([50.0, 50.0]), np.array([25.0, 75.0]))
    0.25
    """
    return 0.5 * float(np.abs(now / now.sum() - reference / reference.sum()).sum())


def mmd2(feature_map: WatchedMap, reference: Reference, pane: Sum) -> float:
    """Squared distance of the mean vectors, less what the noise of both explains: unbiased, so it can be negative.

    This is the squared maximum mean discrepancy of the linear kernel.
    """
    own = slice(feature_map.views[0].start, feature_map.views[0].stop)
    shift = pane.mean[own] - reference.mean[own]
    noise = float(reference.variances[own].sum()) * reference.over_dispersion * (1.0 / pane.n + 1.0 / reference.n)
    return float(shift @ shift) - noise


def effect(feature_map: WatchedMap, reference: Reference, pane: Sum) -> Effect:
    """The size of the change from the reference to the pane (or any sum of panes)."""
    missing = feature_map.tested - 1
    missing_now = float(pane.mean[missing])
    gone = float(reference.mean[missing])
    if pane.n <= 0:
        return Effect(_kind(feature_map), float("nan"), None, None, None, gone, missing_now)
    before, now = reference.n * reference.mean[: missing + 1], pane.total[: missing + 1]
    match feature_map:
        case ScalarMap():
            return _scalar_effect(feature_map, reference, pane)
        case CategoryMap():
            return Effect("total_variation", total_variation(before, now), None, None, None, gone, missing_now)
        case _:
            return Effect("mmd2", mmd2(feature_map, reference, pane), None, None, None, gone, missing_now)


def contributions(direction: Array, reference: Reference, parts: Mapping[str, Sum], total: Sum) -> dict[str, float]:
    """How much of the shift along ``direction`` each part carries: ``(n_s / n) ⟨g, mean φ_s − μ⟩``.

    The shares of parts that make up the total add to its shift.
    """
    centre = float(direction @ reference.mean)
    return {name: (float(direction @ part.total) - part.n * centre) / total.n for name, part in parts.items()}


def _kind(feature_map: WatchedMap) -> str:
    match feature_map:
        case ScalarMap():
            return "psi"
        case CategoryMap():
            return "total_variation"
        case _:
            return "mmd2"


def _scalar_effect(feature_map: ScalarMap, reference: Reference, pane: Sum) -> Effect:
    """PSI over bins and "missing", means in native units, and the distance of the cumulative histograms."""
    bins, missing = feature_map.bins, feature_map.tested - 1
    chosen = np.append(np.arange(bins), missing)
    before, now = reference.n * reference.mean[chosen], pane.total[chosen]
    distance = None
    if before[:-1].sum() > 0 and now[:-1].sum() > 0:
        cumulative = np.cumsum(before[:-1]) / before[:-1].sum(), np.cumsum(now[:-1]) / now[:-1].sum()
        distance = float(np.abs(cumulative[0] - cumulative[1]).max())
    return Effect(
        kind="psi",
        value=psi(before, now),
        reference=_native_mean(feature_map, float(reference.mean[-1]), float(reference.mean[missing])),
        now=_native_mean(feature_map, float(pane.mean[-1]), float(pane.mean[missing])),
        distance=distance,
        missing_reference=float(reference.mean[missing]),
        missing_now=float(pane.mean[missing]),
    )


def _native_mean(feature_map: ScalarMap, level: float, missing: float) -> float | None:
    """The mean of the values that are there; values beyond 50 spreads count as 50 spreads out."""
    if missing >= 1.0:
        return None
    return feature_map.centre + feature_map.spread * level / (1.0 - missing)
