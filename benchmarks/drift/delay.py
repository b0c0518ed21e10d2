"""How many traces a change needs to be found, at one achieved run length, beside the best that could be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.drift import cusum, offline, oracle, ours, runlength
from benchmarks.drift.arl import PANE, nulls
from benchmarks.drift.laws import Change, Continuous, Discrete, Law
from benchmarks.drift.results import Plan, Report, Row
from benchmarks.drift.streams import REFERENCE, changed_after, sample
from benchmarks.drift.traffic import Array, Independent

ARL = 10_000.0  # panes
QUIET = 1_024  # traces before the change
LIMIT = 16_384  # traces after it, at most


@dataclass(frozen=True, slots=True)
class Level:
    """A log threshold, and the run lengths that it and the stated one were measured to have.

    Attributes:
        pane: traces in a pane.
    """

    pane: int
    threshold: float
    achieved: runlength.RunLength
    stated: runlength.RunLength


def measure(laws: Sequence[Law], plan: Plan, report: Report) -> list[Row]:
    """A row per law, size of pane and change: single traces, as a CUSUM has them, for what is no vector."""
    rows = []
    # What takes 10⁴ panes to calibrate is no smoke test.
    arl = plan.panes / 2.0 if plan.quick else ARL
    for number, law in enumerate(laws):
        found = vectors(law, plan, arl, (4, number)) if law.kind == "vector" else None
        for pane in (PANE,) if found else (1, PANE):
            level = calibrated(law, plan, arl, pane=pane, seed=(2, number))
            report(
                f"{law.name}, panes of {pane}: log threshold {level.threshold:.2f} for {arl:g} panes"
                f" ({level.achieved.alarms} alarms in {level.achieved.panes} panes)"
            )
            for kind, change in enumerate(law.changes):
                delays = passages(law, change, level, plan, (3, number, kind, pane))
                best = found[change.name] if found else scalars(law, change, arl * pane, plan, (5, number, kind))
                rows.append(_row(law, change, level, delays, best))
                report(f"{law.name}, panes of {pane}, {change.name}: {_told(rows[-1])}")
    return rows


def calibrated(law: Law, plan: Plan, arl: float, *, pane: int, seed: tuple[int, ...]) -> Level:
    """The threshold that reaches the run length on null traffic, over references."""
    panes = max(int(arl), plan.panes)
    paths: list[Array] = []
    for first in range(0, plan.references, 4):
        few = min(4, plan.references - first)
        tasks = nulls(law, Independent(), references=few, panes=panes, pane=pane, seed=(*seed, pane, first))
        paths += ours.evidence(tasks)
    threshold = runlength.reaching(paths, arl)
    maxima = [np.maximum.accumulate(path) for path in paths]
    achieved, stated = (runlength.first_run_length(maxima, t) for t in (threshold, ours.log_threshold(arl)))
    return Level(pane, threshold, achieved, stated)


def passages(law: Law, change: Change, level: Level, plan: Plan, seed: tuple[int, ...]) -> Array:
    """Traces from the change to the end of the pane that passes the measured and the stated threshold, ``(runs, 2)``.

    Infinite beyond the limit; a run that passes the measured one before the change is left out, and with all of them
    left out there is one that is not a number.
    """
    limit = 2_048 if plan.quick else LIMIT
    quiet = QUIET // level.pane
    thresholds = (level.threshold, ours.log_threshold(ARL))
    found = []
    for number in range(plan.references):
        reference = sample(law, Independent(), REFERENCE, seed=(*seed, number))
        fitted = ours.fit(reference, law.kind, pane=level.pane, seed=number)
        tasks = []
        for replicate in range(plan.replicates):
            again = (*seed, number, replicate)
            stream = changed_after(law, Independent(), limit, quiet=QUIET, seed=again, change=change)
            panes = [pane for block in stream for pane in ours.fold(fitted, block, pane=level.pane)]
            tasks.append(ours.Task(fitted, panes))
        for path in ours.evidence(tasks, stop=max(thresholds)):
            passed = [runlength.first_passage(path, threshold) for threshold in thresholds]
            if passed[0] is None or passed[0] >= quiet:
                found.append([np.inf if p is None else (p - quiet + 1) * level.pane for p in passed])
    return np.array(found or [[np.nan, np.nan]])


def vectors(law: Law, plan: Plan, arl: float, seed: tuple[int, ...]) -> dict[str, dict[str, float]]:
    """Of each change, the median delay of every offline test at level ``1 / arl``."""
    few = min(plan.references, 8)
    null = 16_384 if plan.quick else 65_536
    bench = oracle.prepare(law, references=few, null_traces=null, step=16, seed=(*seed, 0))
    return {
        change.name: offline.delays(bench, change, level=1.0 / arl, replicates=plan.replicates, seed=(*seed, 1, kind))
        for kind, change in enumerate(law.changes)
    }


def scalars(law: Law, change: Change, arl: float, plan: Plan, seed: tuple[int, ...]) -> dict[str, float]:
    """The mean delay of the tuned CUSUM at a run length of ``arl`` traces."""
    assert isinstance(law, Continuous | Discrete)
    threshold = cusum.log_threshold(law, change, arl, seed=(*seed, 0))
    delays = cusum.delays(law, change, threshold, limit=1_024 if plan.quick else 8_192, seed=(*seed, 1))
    return {"tuned CUSUM": float(delays.mean())}


def _row(law: Law, change: Change, level: Level, delays: Array, best: dict[str, float]) -> Row:
    """Delays in traces, of vectors by their median, else by their mean, as the best is.

    A median is infinite when more than half was not found, a mean when anything was not.
    """
    middle = np.quantile(delays, 0.5, axis=0, method="inverted_cdf")
    typical = middle if law.kind == "vector" else delays.mean(axis=0)
    low, high = np.quantile(delays[:, 0], [0.1, 0.9], method="inverted_cdf")
    undirected = {test: traces for test, traces in best.items() if test != oracle.DIRECTED}
    name = min(undirected, key=lambda test: undirected[test])
    return {
        "law": law.name,
        "kind": law.kind,
        "change": change.name,
        "pane": level.pane,
        "runs": len(delays),
        "found": float(np.isfinite(delays[:, 0]).mean()),
        "delay": float(typical[0]),
        "median": float(middle[0]),
        "range": [float(low), float(high)],
        "stated": float(typical[1]),
        "oracles": best,
        "best": name,
        "best_delay": undirected[name],
        "ratio": float(typical[0]) / undirected[name] if np.isfinite(undirected[name]) else float("nan"),
        "threshold": level.threshold,
        "null_panes": level.achieved.panes,
        "null_alarms": level.achieved.alarms,
        "stated_null_panes": level.stated.panes,
        "stated_null_alarms": level.stated.alarms,
    }


def _told(row: Row) -> str:
    return (
        f"{row['delay']:.0f} traces ({row['stated']:.0f} at the stated level), found {row['found']:.0%};"
        f" {row['best']} {row['best_delay']:.0f}: ratio {row['ratio']:.2f}"
    )
