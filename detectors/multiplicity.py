"""Several p-values as one, one p-value as an e-value, and which of many signals to believe."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.base import Array


def log_of_any(log_p: float, trials: float) -> float:
    """The log of the chance that the smallest of ``trials`` independent p-values is as small (Šidák, JASA 62, 1967).

    >>> round(float(np.exp(log_of_any(np.log(0.05), 2.0))), 4)  # 1 − 0.95²
    0.0975
    """
    # Below 1e-12 the power series has one term, and the logarithm no digits left for more.
    if log_p < -27.0:
        return min(log_p + float(np.log(trials)), 0.0)
    chance = float(np.exp(min(log_p, 0.0)))
    if chance >= 1.0:
        return 0.0
    return float(np.log(-np.expm1(trials * np.log1p(-chance))))


def log_of_best(log_ps: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The log p-value of the smallest ``p / weight``: ``1 − Π(1 − wᵢ t)`` at the smallest t.

    Exact for independent tests, and on the safe side for those that tend to agree. The weights say how much of the
    false alarms each test may cause; they add to one.
    """
    least = min(log_ps[name] - float(np.log(weights[name])) for name in log_ps)
    if least < -27.0:
        return min(least + float(np.log(sum(weights[name] for name in log_ps))), 0.0)
    chances = np.minimum(np.array([weights[name] for name in log_ps]) * np.exp(min(least, 700.0)), 1.0)
    if (chances >= 1.0).any():
        return 0.0
    return min(float(np.log(-np.expm1(np.log1p(-chances).sum()))), 0.0)


def log_e(log_p: float) -> float:
    """The log e-value of a p-value: ``(1 − p + p ln p) / (p ln² p)``, the mean of all calibrators ``κ p^(κ − 1)``.

    Its mean under no change is at most one, so e-values of separate looks multiply and those of one look average
    (Vovk and Wang, Annals of Statistics 49, 2021, section 2). At p = 1 it is one half.

    >>> round(float(np.exp(log_e(np.log(0.01)))), 4)  # 0.943948 / 0.2120759
    4.451
    """
    if log_p > -1e-3:  # the terms cancel near p = 1; the series begins 1/2 − ln p / 6
        return float(np.log(0.5 - log_p / 6.0))
    p = float(np.exp(log_p))
    return float(np.log(1.0 - p + p * log_p) - log_p - 2.0 * np.log(-log_p))


def benjamini_hochberg(log_ps: Array) -> Array:
    """The log p-values ``(s,)`` so adjusted that those below log α hold at most a share α of false ones on average.

    Benjamini and Hochberg (JRSS B 57, 1995), for independent or positively dependent tests: the smallest
    ``p₍ⱼ₎ s / j`` of the j-th smallest p-values that are no smaller.

    >>> np.exp(benjamini_hochberg(np.log([0.01, 0.02, 0.5]))).round(3)
    array([0.03, 0.03, 0.5 ])
    """
    order = np.argsort(log_ps)
    raised = log_ps[order] + np.log(len(log_ps) / np.arange(1.0, len(log_ps) + 1.0))
    adjusted = np.empty(len(log_ps))
    adjusted[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 0.0)
    return adjusted
