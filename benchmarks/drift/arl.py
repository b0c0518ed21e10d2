"""Achieved over target mean run length without a change, for every law and kind of traffic, over many references."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.drift import ours, runlength
from benchmarks.drift.laws import Law
from benchmarks.drift.results import Plan, Report, Row
from benchmarks.drift.streams import REFERENCE, blocks, sample
from benchmarks.drift.traffic import KINDS, Traffic

PANE = 16
TARGETS = (100.0, 300.0, 1_000.0)  # panes
FAR = 10_000.0  # panes, for a few laws
_FAR_LAWS = ("normal", "topic embeddings")


def measure(laws: Sequence[Law], plan: Plan, report: Report) -> list[Row]:
    """A row per law, kind of traffic and target."""
    rows = []
    for number, law in enumerate(laws):
        for kind, traffic in enumerate(KINDS):
            panes = plan.panes if law.kind != "vector" else plan.panes // 2
            made = _rows(law, traffic, TARGETS, references=plan.references, panes=panes, seed=(1, number, kind))
            if law.name in _FAR_LAWS:
                few, many = max(plan.references // 2, 1), plan.panes if plan.quick else int(2 * FAR)
                made += _rows(law, traffic, (FAR,), references=few, panes=many, seed=(20, number, kind))
            rows += made
            report(f"{law.name}, {traffic.name}: " + ", ".join(f"{row['ratio']:.2g}" for row in made))
    return rows


def _rows(
    law: Law, traffic: Traffic, targets: Sequence[float], *, references: int, panes: int, seed: tuple[int, ...]
) -> list[Row]:
    """A row per target, on the same streams."""
    found = []
    # Few references at a time, so that the panes of few are in memory.
    for first in range(0, references, 4):
        few = min(4, references - first)
        tasks = nulls(law, traffic, references=few, panes=panes, pane=PANE, seed=(*seed, first))
        found += [runlength.run_lengths(task, [ours.log_threshold(target) for target in targets]) for task in tasks]
    return [
        _row(law, traffic, target, panes, [lengths[column] for lengths in found])
        for column, target in enumerate(targets)
    ]


def nulls(
    law: Law, traffic: Traffic, *, references: int, panes: int, pane: int, seed: tuple[int, ...]
) -> list[ours.Task]:
    """A monitor of each of many references, and panes of the same law."""
    tasks = []
    for number in range(references):
        reference = sample(law, traffic, REFERENCE, seed=(*seed, number, 0))
        fitted = ours.fit(reference, law.kind, pane=pane, seed=number)
        folded: list[ours.Pane] = []
        for block in blocks(law, traffic, seed=(*seed, number, 1)):
            folded += ours.fold(fitted, block, pane=pane)
            if len(folded) >= panes:
                break
        tasks.append(ours.Task(fitted, folded[:panes]))
    return tasks


def _row(law: Law, traffic: Traffic, target: float, panes: int, lengths: list[runlength.RunLength]) -> Row:
    """The pooled ratio with its interval, and the quantiles over references.

    A reference without an alarm counts as infinite, and is shown as more than ``panes / target``.
    """
    pooled = runlength.RunLength(sum(one.panes for one in lengths), sum(one.alarms for one in lengths))
    each = np.array([one.mean for one in lengths]) / target
    low, middle, high = (float(np.quantile(each, q, method="inverted_cdf")) for q in (0.1, 0.5, 0.9))
    return {
        "law": law.name,
        "traffic": traffic.name,
        "target": target,
        "references": len(lengths),
        "panes": panes,
        "alarms": pooled.alarms,
        "ratio": pooled.mean / target,
        "interval": [bound / target for bound in pooled.interval],
        "quantiles": [low, middle, high],
    }
