"""Run lengths from evidence paths: alarms with renewal, censored means, and thresholds that reach a mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from benchmarks.drift import ours
from benchmarks.drift.traffic import Array


@dataclass(frozen=True, slots=True)
class RunLength:
    """Mean panes to an alarm: panes at risk over alarms, the maximum likelihood under exponential times.

    Attributes:
        panes: at risk.
        alarms: seen in them.
    """

    panes: int
    alarms: int

    @property
    def mean(self) -> float:
        """Infinite when there was no alarm."""
        return self.panes / self.alarms if self.alarms else float("inf")

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, exact for Poisson counts of alarms."""
        most = chi2.ppf(0.975, 2 * self.alarms + 2) / 2.0
        least = chi2.ppf(0.025, 2 * self.alarms) / 2.0 if self.alarms else 0.0
        return self.panes / most, self.panes / least if least else float("inf")


def run_lengths(task: ours.Task, log_thresholds: Sequence[float]) -> list[RunLength]:
    """What a monitor that goes on after an alarm, as it does in an installation, reports at each threshold.

    Panes in which a drift is reported are not at risk; when it is over the monitor starts afresh.
    """
    drifted = ours.reported(task, log_thresholds)
    before = np.vstack([np.zeros((1, drifted.shape[1]), dtype=bool), drifted[:-1]])
    return [
        RunLength(int(panes), int(alarms))
        for panes, alarms in zip((~before).sum(0), (drifted & ~before).sum(0), strict=True)
    ]


def first_passage(path: Array, threshold: float) -> int | None:
    """The first pane at which the path is no less than the threshold; None where it never is."""
    passed = path >= threshold
    return int(np.argmax(passed)) if passed.any() else None


def reaching(paths: Sequence[Array], target: float) -> float:
    """The least log threshold whose mean run length over the null paths is ``target`` panes or more.

    The paths start afresh and none is renewed, so at most one alarm comes of each.
    """
    maxima = [np.maximum.accumulate(path) for path in paths]
    candidates = np.unique(np.concatenate([np.unique(path) for path in maxima]))
    low, high = 0, len(candidates)
    while low < high:
        middle = (low + high) // 2
        # Just above a value that was reached, it is not reached any more.
        if first_run_length(maxima, np.nextafter(candidates[middle], np.inf)).mean >= target:
            high = middle
        else:
            low = middle + 1
    return float(np.nextafter(candidates[min(low, len(candidates) - 1)], np.inf))


def first_run_length(maxima: Sequence[Array], threshold: float) -> RunLength:
    """Panes until the running maxima first reach the threshold, censored at their ends."""
    passed = [int(np.searchsorted(path, threshold)) for path in maxima]
    panes = sum(min(first + 1, len(path)) for first, path in zip(passed, maxima, strict=True))
    return RunLength(panes, sum(first < len(path) for first, path in zip(passed, maxima, strict=True)))
