"""How many traces a change needs to be found, at one achieved run length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.drift import ours, runlength
from benchmarks.drift.arl import PANE, nulls
from benchmarks.drift.laws import Change, Law
from benchmarks.drift.results import Plan, Report, Row
from benchmarks.drift.streams import REFERENCE, changed_after, sample
from benchmarks.drift.traffic import Independent, Traffic

ARL = 10_000.0  # panes
QUIET = 64  # panes before the change
LIMIT = 1_024  # panes after it


@dataclass(frozen=True, slots=True)
class Level:
    """A log threshold, and the run length that it was measured to have."""

    threshold: float
    achieved: runlength.RunLength


def measure(laws: Sequence[Law], plan: Plan, report: Report) -> list[Row]:
    """A row per law and change."""
    rows = []
    traffic = Independent()
    for number, law in enumerate(laws):
        level = calibrated(law, traffic, plan, seed=(2, number))
        report(
            f"{law.name}: log threshold {level.threshold:.2f} for {ARL:g} panes"
            f" ({level.achieved.alarms} alarms in {level.achieved.panes} panes)"
        )
        for kind, change in enumerate(law.changes):
            row = _row(law, change, level, _passages(law, traffic, change, level, plan, (3, number, kind)))
            rows.append(row)
            report(f"{law.name}, {change.name}: {row['median']} traces, found {row['found']:.0%}")
    return rows


def calibrated(law: Law, traffic: Traffic, plan: Plan, *, seed: tuple[int, ...]) -> Level:
    """The threshold that reaches the run length on null traffic, over references."""
    panes = int(ARL) if not plan.quick else plan.panes
    paths = []
    for first in range(0, plan.references, 5):
        few = min(5, plan.references - first)
        paths += ours.evidence(nulls(law, traffic, references=few, panes=panes, seed=(*seed, first)))
    threshold = runlength.reaching(paths, ARL)
    maxima = [np.maximum.accumulate(path) for path in paths]
    return Level(threshold, runlength.first_run_length(maxima, threshold))


def _passages(
    law: Law, traffic: Traffic, change: Change, level: Level, plan: Plan, seed: tuple[int, ...]
) -> list[tuple[int | None, int | None]]:
    """Panes after the change at which each run passes the measured and the stated threshold.

    None is not found in ``LIMIT`` panes; a run that passes before the change is left out.
    """
    limit = LIMIT if not plan.quick else 128
    stated = ours.log_threshold(ARL)
    found = []
    for number in range(plan.references):
        reference = sample(law, traffic, REFERENCE, seed=(*seed, number))
        fitted = ours.fit(reference, law.kind, pane=PANE, seed=number)
        for replicate in range(plan.replicates):
            stream = changed_after(
                law, traffic, limit * PANE, quiet=QUIET * PANE, seed=(*seed, number, replicate), change=change
            )
            panes = [pane for block in stream for pane in ours.fold(fitted, block, pane=PANE)]
            path = ours.evidence([ours.Task(fitted, panes)], stop=max(level.threshold, stated))[0]
            passed = [runlength.first_passage(path, threshold) for threshold in (level.threshold, stated)]
            if passed[0] is None or passed[0] >= QUIET:
                found.append(tuple(None if p is None else p - QUIET + 1 for p in passed))
    return found


def _row(law: Law, change: Change, level: Level, passages: Sequence[tuple[int | None, int | None]]) -> Row:
    """Delays in traces; a median is infinite when more than half was not found."""
    delays = np.array([[np.inf if p is None else p * PANE for p in passed] for passed in passages])
    middle = np.quantile(delays, 0.5, axis=0, method="inverted_cdf")
    low, high = np.quantile(delays[:, 0], [0.1, 0.9], method="inverted_cdf")
    return {
        "law": law.name,
        "change": change.name,
        "runs": len(delays),
        "found": float(np.isfinite(delays[:, 0]).mean()),
        "median": float(middle[0]),
        "range": [float(low), float(high)],
        "stated": float(middle[1]),
        "threshold": level.threshold,
        "null_panes": level.achieved.panes,
        "null_alarms": level.achieved.alarms,
    }
