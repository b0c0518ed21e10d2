"""Whether a number, a label or a vector differs between two samples: tests side by side, the smallest p-value decides.

The p-values are for independent traces. The laws: the order of a sample does not matter, nor which sample is called the
first, nor the unit of a number; under no change p is at most α in a share α of all comparisons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, fisher_exact, ks_2samp, mannwhitneyu

from detectors.base import Array, Features, summarise
from detectors.multiplicity import log_of_best
from detectors.ruler import Ruler, difference, fit_ruler, noise_of

_SCALAR_WEIGHTS: Mapping[str, float] = {"level": 0.45, "shape": 0.3, "spread": 0.15, "missing": 0.1}
_VECTOR_WEIGHTS: Mapping[str, float] = {"vectors": 0.9, "missing": 0.1}
_LEAST_EXPECTED = 5.0  # traces of a label, or it is counted with the other rare ones
_SMALLEST = 1e-300


@dataclass(frozen=True, slots=True)
class Tested:
    """The evidence against no change.

    Attributes:
        log_p: of all tests together.
        log_ps: of each test.
    """

    log_p: float
    log_ps: Mapping[str, float]

    @property
    def leading(self) -> str:
        """The test with the smallest p-value."""
        return min(self.log_ps, key=lambda name: self.log_ps[name])


@dataclass(frozen=True, slots=True, eq=False)
class VectorTest:
    """The evidence against no change of a vector, and what shows it.

    Attributes:
        test: the evidence.
        ruler: what both samples were measured by.
        before: features of the rows there are, ``(n, k)``.
        now: features of the rows there are, ``(m, k)``.
        direction: unit vector ``(k,)`` along which they differ most.
    """

    test: Tested
    ruler: Ruler
    before: Features
    now: Features
    direction: Array


def compare_scalars(before: Array, now: Array) -> Tested:
    """Compare numbers ``(n,)`` and ``(m,)``, NaN being missing.

    *level*: Mann-Whitney; *shape*: Kolmogorov-Smirnov; *spread*: Mann-Whitney on the distances from the median of both
    (Conover's idea, with ranks of distances); *missing*: Fisher's exact test.
    """
    first, second = before[np.isfinite(before)], now[np.isfinite(now)]
    log_ps = missing(len(before) - len(first), len(before), len(now) - len(second), len(now))
    if len(first) and len(second):
        both = np.concatenate([first, second])
        if both.min() < both.max():
            middle = np.median(both)
            log_ps["level"] = _mann_whitney(first, second)
            log_ps["shape"] = _log(ks_2samp(first, second, method="asymp").pvalue)
            log_ps["spread"] = _mann_whitney(np.abs(first - middle), np.abs(second - middle))
    return _together(log_ps, _SCALAR_WEIGHTS)


def compare_categories(before: Sequence[str | None], now: Sequence[str | None]) -> Tested:
    """Compare labels, None being a label of its own: χ², or Fisher's exact test of two labels; rare ones are one."""
    first, second = counted(before, now)
    table = np.stack([first, second])
    expected = table.sum(axis=0) * table.sum(axis=1).min() / table.sum()
    common = table[:, expected >= _LEAST_EXPECTED]
    rare = table[:, expected < _LEAST_EXPECTED].sum(axis=1, keepdims=True)
    if rare.sum():
        common = np.hstack([common, rare])
    match common.shape[1]:
        case 0 | 1:
            log_p = 0.0
        case 2:
            log_p = _log(fisher_exact(common.astype(np.int64)).pvalue)
        case _:
            log_p = _log(chi2_contingency(common, correction=False).pvalue)
    return Tested(log_p, {"shares": log_p})


def counted(before: Sequence[str | None], now: Sequence[str | None]) -> tuple[Array, Array]:
    """The counts of every label of either side, in the order of ``labels_of``."""
    order = labels_of(before, now)
    sides = (Counter(before), Counter(now))
    first, second = (np.array([side[label] for label in order], dtype=np.float64) for side in sides)
    return first, second


def labels_of(before: Sequence[str | None], now: Sequence[str | None]) -> list[str | None]:
    """The labels of either side, the most frequent first, equally frequent ones by name."""
    both = Counter(before) + Counter(now)
    return sorted(both, key=lambda label: (-both[label], label is None, label or ""))


def compare_vectors(before: NDArray[np.floating], now: NDArray[np.floating], *, seed: int) -> VectorTest:
    """Compare vectors ``(n, d)`` and ``(m, d)``, a row with a NaN being missing; at least two rows on either side."""
    first, second = before[np.isfinite(before).all(axis=1)], now[np.isfinite(now).all(axis=1)]
    log_ps = missing(len(before) - len(first), len(before), len(now) - len(second), len(now))
    both = np.concatenate([first, second])
    # In the order of the values, so that the seed finds the same rows whichever side is called the first.
    order = np.lexsort(both.T[:2])
    ruler = fit_ruler(both[order], seed=seed)
    features = ruler.apply(both)
    found = difference(
        ruler, summarise(features[: len(first)]), summarise(features[len(first) :]), noise_of(ruler, features)
    )
    log_ps["vectors"] = found.log_p
    together = _together(log_ps, _VECTOR_WEIGHTS)
    detailed = {**found.log_ps, **{name: log_p for name, log_p in log_ps.items() if name != "vectors"}}
    return VectorTest(
        Tested(together.log_p, detailed), ruler, features[: len(first)], features[len(first) :], found.direction
    )


def missing_only(gone: int, n: int, gone_now: int, m: int) -> Tested:
    """The test of the share of missing values alone, where there are too few values for another."""
    return _together(missing(gone, n, gone_now, m), {"missing": 1.0})


def missing(gone: int, n: int, gone_now: int, m: int) -> dict[str, float]:
    """The test of the share of missing values, where there are any."""
    if gone + gone_now in (0, n + m):
        return {}
    table = np.array([[gone, n - gone], [gone_now, m - gone_now]])
    return {"missing": _log(fisher_exact(table).pvalue)}


def _together(log_ps: Mapping[str, float], weights: Mapping[str, float]) -> Tested:
    """The tests that could be made share the weight of those that could not."""
    if not log_ps:
        return Tested(0.0, {"missing": 0.0})
    total = sum(weights[name] for name in log_ps)
    return Tested(log_of_best(log_ps, {name: weights[name] / total for name in log_ps}), dict(log_ps))


def _mann_whitney(first: Array, second: Array) -> float:
    return _log(float(mannwhitneyu(first, second, method="asymptotic").pvalue))


def _log(p: float) -> float:
    """Not below 1e-300, where a double ends."""
    return float(np.log(np.clip(p, _SMALLEST, 1.0)))
