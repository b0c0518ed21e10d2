"""Run lengths from evidence paths: alarms with renewal, censored means, and thresholds that reach a mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from benchmarks.drift import ours
from benchmarks.drift.traffic import Array, Labels

# Long paths are asked for in pieces of this many tasks, so that few are in memory at once.
_TOGETHER = 64


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


def alarms(tasks: Sequence[ours.Task], log_thresholds: Sequence[float]) -> Labels:
    """How often each task alarms at each threshold, starting afresh after each alarm, ``(tasks, thresholds)``."""
    counts = np.zeros((len(tasks), len(log_thresholds)), dtype=np.int64)
    for first in range(0, len(tasks), _TOGETHER):
        part = tasks[first : first + _TOGETHER]
        paths = ours.evidence(part, stop=max(log_thresholds))
        for column, threshold in enumerate(log_thresholds):
            counts[first : first + len(part), column] = _renewed(part, paths, threshold)
    return counts


def _renewed(tasks: Sequence[ours.Task], paths: Sequence[Array], threshold: float) -> Labels:
    """Alarms of each task at one threshold, the first from its path, the later ones from paths that start after it."""
    counts = np.zeros(len(tasks), dtype=np.int64)
    waiting = [(i, 0, path) for i, path in enumerate(paths)]
    while waiting:
        renewed = []
        for i, start, path in waiting:
            passed = first_passage(path, threshold)
            if passed is not None:
                counts[i] += 1
                renewed.append((i, start + passed + 1))
        again = [(i, start) for i, start in renewed if start < len(tasks[i].panes)]
        fresh = [ours.Task(tasks[i].fitted, tasks[i].panes[start:]) for i, start in again]
        found = ours.evidence(fresh, stop=threshold)
        waiting = [(i, start, path) for (i, start), path in zip(again, found, strict=True)]
    return counts


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
