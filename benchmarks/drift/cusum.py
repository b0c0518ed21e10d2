"""The best sequential test of one number: Page's CUSUM of the true log-likelihood ratio (Moustakides 1986)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.drift.laws import Change, Continuous, Discrete
from benchmarks.drift.streams import sample
from benchmarks.drift.traffic import Array, Independent

Scalar = Continuous | Discrete

_RUNS = 1_000
_LOW = 5.0  # a log threshold that is reached often enough to count, and high enough for the law of large ones


def log_threshold(law: Scalar, change: Change, arl: float, *, seed: tuple[int, ...]) -> float:
    """The log threshold with a mean run length of ``arl`` traces: far out, run lengths grow as its exponential."""
    if change.kind == "novel":
        return _LOW  # never reached without a change, at the first new value with it
    traces = 4_000
    ratios = _ratios(law, change, _RUNS, traces, changed=False, seed=seed)
    passed = _passages(ratios, _LOW, quiet=0)
    at_risk, alarms = float(np.minimum(passed, traces).sum()), int(np.isfinite(passed).sum())
    if alarms < 20:
        raise ValueError(f"{law.name}, {change.name}: {alarms} alarms in {at_risk:g} null traces are too few to count")
    return _LOW + float(np.log(arl * alarms / at_risk))


def delays(law: Scalar, change: Change, threshold: float, *, limit: int, seed: tuple[int, ...]) -> Array:
    """Traces from the change to the alarm of each run, infinite beyond ``limit``; false alarms are left out."""
    quiet = 200
    before = _ratios(law, change, _RUNS, quiet, changed=False, seed=(*seed, 0))
    after = _ratios(law, change, _RUNS, limit, changed=True, seed=(*seed, 1))
    joined = [np.concatenate(both) for both in zip(before, after, strict=True)]
    passed = _passages(joined, threshold, quiet=quiet)
    return passed[passed > 0]


def _alternatives(change: Change) -> tuple[Change, ...]:
    """A shift may go either way, as nobody knows before; the rest is one-sided."""
    return (change, Change("shift", -change.size)) if change.kind == "shift" else (change,)


def _ratios(
    law: Scalar, change: Change, runs: int, traces: int, *, changed: bool, seed: tuple[int, ...]
) -> list[Array]:
    """Log-likelihood ratios of each alternative against no change, ``(traces, runs)``."""
    column = sample(law, Independent(), runs * traces, seed=seed, change=change if changed else None).column
    return [law.log_ratio(column, each).reshape(traces, runs) for each in _alternatives(change)]


def _passages(ratios: Sequence[Array], threshold: float, *, quiet: int) -> Array:
    """Traces after ``quiet`` until the first CUSUM passes, ``(runs,)``; at most 0 before, infinite for never."""
    traces, runs = ratios[0].shape
    wealth = [np.zeros(runs) for _ in ratios]
    passed = np.full(runs, np.inf)
    for trace in range(traces):
        for side, ratio in enumerate(ratios):
            wealth[side] = np.maximum(wealth[side], 0.0) + ratio[trace]
            reached = (wealth[side] >= threshold) & np.isinf(passed)
            passed[reached] = trace + 1 - quiet
    return passed
