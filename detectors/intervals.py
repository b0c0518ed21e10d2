"""How large a difference is, and between which limits it lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, norm, ttest_ind, wasserstein_distance

from detectors.base import Array, Features
from detectors.effect import psi, total_variation
from detectors.scalar import quantile_edges

_RESAMPLES = 500
_CELLS = 256
_BINS = 10


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and the interval that holds the truth in 19 of 20 samples.

    Attributes:
        name: what it is.
        value: NaN where it can't be said.
        low: its lower limit.
        high: its upper limit.
    """

    name: str
    value: float
    low: float
    high: float


def mean_difference(before: Array, now: Array, *, over_dispersion: float = 1.0) -> Estimate:
    """``mean(now) − mean(before)`` of finite numbers, with Welch's interval (Biometrika 34, 1947).

    Of values that hang together, means vary ``over_dispersion`` times as much as of as many independent ones.
    """
    value = float(now.mean() - before.mean())
    if min(len(before), len(now)) < 2 or before.var() + now.var() == 0:
        return Estimate("mean difference", value, value, value)
    limits = ttest_ind(now, before, equal_var=False).confidence_interval(0.95)
    wider = float(np.sqrt(over_dispersion))
    return Estimate(
        "mean difference",
        value,
        value - wider * (value - float(limits.low)),
        value + wider * (float(limits.high) - value),
    )


def scalar_estimates(before: Array, now: Array, random: np.random.Generator) -> tuple[Estimate, ...]:
    """PSI over ten bins of equal reference mass, the Kolmogorov-Smirnov distance, and Wasserstein's in native units.

    All three are above zero by chance alone; the basic bootstrap (Davison and Hinkley 1997, section 5.2) takes twice
    that off, so an interval of nothing but chance reaches down to zero.
    """
    together = np.sort(np.concatenate([before, now]))
    edges = quantile_edges(together, _CELLS)
    # Each cell stands for the mean of its values, so that Wasserstein's distance keeps its unit.
    cell = np.searchsorted(edges, together, side="left")
    count = np.bincount(cell, minlength=len(edges) + 1)
    middle = np.bincount(cell, weights=together, minlength=len(edges) + 1) / np.maximum(count, 1)
    gaps = np.diff(middle)
    bins = np.searchsorted(quantile_edges(np.sort(before), _BINS), middle, side="left")
    binned = np.eye(int(bins.max()) + 1)[bins]

    def measured(first: Array, second: Array) -> Array:
        apart = np.abs(np.cumsum(first / first.sum() - second / second.sum()))[:-1]
        return np.array([psi(first @ binned, second @ binned), apart.max(initial=0.0), float(apart @ gaps)])

    sides = [np.bincount(np.searchsorted(edges, side, side="left"), minlength=len(middle)) for side in (before, now)]
    found = resampled(measured, sides[0].astype(np.float64), sides[1].astype(np.float64), random)
    exact = [float(found[0, 0]), _ks(before, now), float(wasserstein_distance(before, now))]
    return tuple(
        basic(name, value, float(found[0, i]), found[1:, i])
        for i, (name, value) in enumerate(zip(("PSI", "KS", "Wasserstein"), exact, strict=True))
    )


def category_estimates(before: Array, now: Array, random: np.random.Generator) -> tuple[Estimate, ...]:
    """Total variation and Cramér's V of two vectors of counts ``(c,)``, with basic bootstrap intervals."""

    def measured(first: Array, second: Array) -> Array:
        return np.array([total_variation(first, second), cramers_v(first, second)])

    found = resampled(measured, before, now, random)
    return tuple(
        basic(name, float(found[0, i]), float(found[0, i]), found[1:, i])
        for i, name in enumerate(("total variation", "Cramér's V"))
    )


def cramers_v(before: Array, now: Array) -> float:
    """``sqrt(χ² / n)`` of two vectors of counts: zero where the shares agree, one where no label is on both sides.

    >>> round(cramers_v(np.array([30.0, 20.0]), np.array([20.0, 30.0])), 6)  # χ² = 4, n = 100
    0.2
    """
    table = np.stack([before, now])
    table = table[:, table.sum(axis=0) > 0]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return float(np.sqrt((((table - expected) ** 2) / expected).sum() / table.sum()))


def mmd2(before: Features, now: Features) -> Estimate:
    """Squared distance of the means of ``(n, k)`` and ``(m, k)`` features, less what chance makes of it.

    Unbiased, but for a value below zero, which no distance can have: it is told as zero. The variance is
    ``4 δᵀVδ + 2 tr V²`` with V the covariance of the difference of means, both parts without bias too (Gretton and
    others, JMLR 13, 2012, for the kernel; here by its features).
    """
    shift = now.mean(axis=0, dtype=np.float64) - before.mean(axis=0, dtype=np.float64)
    spread = np.cov(before, rowvar=False, dtype=np.float64) / len(before)
    spread = np.atleast_2d(spread + np.cov(now, rowvar=False, dtype=np.float64) / len(now))
    own = float((spread**2).sum())
    value = float(shift @ shift - np.trace(spread))
    variance = 4.0 * max(float(shift @ spread @ shift) - own, 0.0) + 2.0 * own
    margin = float(norm.isf(0.025)) * float(np.sqrt(variance))
    return Estimate("MMD²", max(value, 0.0), max(value - margin, 0.0), max(value + margin, 0.0))


def centroid_cosine(
    before: NDArray[np.floating], now: NDArray[np.floating], random: np.random.Generator, *, resamples: int = 200
) -> Estimate:
    """The cosine between the mean vectors of ``(n, d)`` and ``(m, d)``, with a basic bootstrap interval."""

    def means(rows: NDArray[np.floating]) -> Array:
        weights = random.multinomial(len(rows), np.full(len(rows), 1.0 / len(rows)), size=resamples) / len(rows)
        drawn = weights.astype(np.float32) @ np.asarray(rows, dtype=np.float32)
        return np.vstack([rows.mean(axis=0, dtype=np.float64), drawn])

    first, second = means(before), means(now)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosines = np.einsum("ij,ij->i", first, second) / np.maximum(lengths, 1e-300)
    value = float(cosines[0])
    low, high = _limits(value, cosines[1:])
    # Noise on either side pulls a cosine down, so the interval may lie above it; it is then stretched to hold it.
    return Estimate("centroid cosine", value, max(min(low, value), -1.0), min(max(high, value), 1.0))


def share_difference(name: str, k: int, n: int, among: int, m: int) -> Estimate:
    """``among / m − k / n`` with Newcombe's interval from Wilson's of both shares (Statistics in Medicine 17, 1998).

    >>> found = share_difference("share", 48, 80, 56, 70)  # Newcombe's table II, (a), method 10
    >>> round(found.low, 4), round(found.high, 4)
    (0.0524, 0.3339)
    """
    first, second = binomtest(k, n), binomtest(among, m)
    a, b = first.proportion_ci(0.95, "wilson"), second.proportion_ci(0.95, "wilson")
    p, q = k / n, among / m
    low = q - p - float(np.hypot(q - b.low, a.high - p))
    high = q - p + float(np.hypot(b.high - q, p - a.low))
    return Estimate(name, q - p, low, high)


def resampled(
    measure: Callable[[Array, Array], Array], before: Array, now: Array, random: np.random.Generator
) -> Array:
    """What is measured on two vectors of counts, then on resamples of both, ``(resamples + 1, values)``."""
    drawn = [random.multinomial(int(side.sum()), side / side.sum(), size=_RESAMPLES) for side in (before, now)]
    pairs = zip(drawn[0].astype(np.float64), drawn[1].astype(np.float64), strict=True)
    return np.vstack([measure(before, now), *(measure(first, second) for first, second in pairs)])


def basic(name: str, value: float, centre: float, drawn: Array) -> Estimate:
    """A value that can't be negative with its basic bootstrap interval; ``centre`` is what the resamples vary about.

    Where chance alone makes most of the value the interval may lie below it; it is then stretched to hold it.
    """
    low, high = _limits(value, drawn - centre + value)
    return Estimate(name, value, max(min(low, value), 0.0), max(high, value))


def _limits(value: float, drawn: Array) -> tuple[float, float]:
    low, high = np.quantile(drawn, [0.975, 0.025])
    return 2.0 * value - float(low), 2.0 * value - float(high)


def _ks(before: Array, now: Array) -> float:
    """The largest difference between the cumulative shares."""
    every = np.concatenate([before, now])
    first = np.searchsorted(np.sort(before), every, side="right") / len(before)
    second = np.searchsorted(np.sort(now), every, side="right") / len(now)
    return float(np.abs(first - second).max())
