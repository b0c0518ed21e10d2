"""Thresholds with a guarantee, from labelled answers that are exchangeable with those to come."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from detectors.base import Array

Flags = NDArray[np.bool_]

_GRID = np.arange(1, 1001) / 1000
_STARTS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Infeasible:
    """No threshold can carry the guarantee, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """Answers whose score is at least ``value`` are flagged; the guarantee is about the others.

    Attributes:
        rows: labelled answers that it rests on.
        flagged: share of them that it flags.
    """

    value: float
    rows: int
    flagged: float


def at_most_missed(values: Array, bad: Flags, alpha: float) -> Threshold | Infeasible:
    """The threshold that misses at most ``alpha`` of the bad answers on average (conformal risk control, 2208.02814).

    With n labelled bad answers it is the ⌊α(n + 1)⌋-th smallest of their scores: a new one is as likely to fall in any
    of the n + 1 gaps between them, so E[missed] ≤ ⌊α(n + 1)⌋/(n + 1) ≤ α. Under ⌈1/α⌉ − 1 bad answers there is none.

    >>> at_most_missed(np.array([0.9, 0.1, 0.5, 0.7]), np.array([True, False, True, True]), 0.25).value
    0.5
    >>> at_most_missed(np.array([0.9]), np.array([True]), 0.1)
    Infeasible(reason='missing at most 0.1 needs at least 9 bad answers, got 1')
    """
    scores = np.sort(values[bad])
    rank = math.floor(alpha * (len(scores) + 1) + 1e-9)
    if rank < 1:
        needed = math.ceil(1 / alpha - 1e-9) - 1
        return Infeasible(f"missing at most {alpha:g} needs at least {needed} bad answers, got {len(scores)}")
    value = float(scores[rank - 1])
    return Threshold(value, len(scores), float((values >= value).mean()))


def clean_among_passed(values: Array, bad: Flags, clean: float, *, delta: float = 0.05) -> Threshold | Infeasible:
    """The largest threshold under which, with probability 1 − ``delta``, at least ``clean`` of what passes is not bad.

    Learn-then-Test (2110.01052): the thresholds 0.001, 0.002 … are tried upwards, each by the Clopper-Pearson bound on
    the share of bad answers below it, and the first that fails ends the search: in an order fixed in advance no
    correction for many tries is needed. Since bad luck among the first few would end it at once, four searches begin
    where so many answers pass that a quarter of ``delta`` can be kept, where twice, four and eight times as many do.

    >>> values = np.linspace(0.0, 0.99, 100)
    >>> clean_among_passed(values, values > 0.6, 0.9).value
    0.62
    """
    share = delta / len(_STARTS)
    fewest = math.ceil(math.log(share) / math.log(clean))
    order = np.argsort(values, kind="stable")
    passed = np.searchsorted(values[order], _GRID, side="left")  # what is strictly below
    if passed[-1] < fewest:
        return Infeasible(
            f"{clean:.0%} clean needs at least {fewest} labelled answers with scores below 1, got {passed[-1]}"
        )
    wrong = np.concatenate([[0], np.cumsum(bad[order])])[passed]
    fails = np.append(upper_bound(wrong, passed, share) > 1 - clean, True)
    begins = np.searchsorted(passed, [fewest * times for times in _STARTS])
    ends = [int(begin + np.argmax(fails[begin:])) for begin in begins.tolist() if begin < len(_GRID)]
    reached = max(end if end > begin else 0 for begin, end in zip(begins.tolist(), ends, strict=False))
    if not reached:
        counts = " and ".join(f"{wrong[at]} of {passed[at]}" for at in begins[: len(ends)])
        return Infeasible(f"too many of the answers with the lowest scores are bad: {counts}")
    value = float(_GRID[reached - 1])
    return Threshold(value, len(values), float((values >= value).mean()))


def upper_bound(wrong: NDArray[np.intp], passed: NDArray[np.intp], delta: float) -> Array:
    """Clopper and Pearson's one-sided upper bound on a share, of which ``wrong`` of ``passed`` were seen.

    >>> float(upper_bound(np.array([0]), np.array([29]), 0.05)[0]).__round__(4)
    0.0981
    """
    found: Array = np.where(wrong < passed, beta.ppf(1 - delta, wrong + 1, np.maximum(passed - wrong, 1)), 1.0)
    return found
