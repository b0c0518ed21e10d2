"""Thirty days of an installation in which nothing changes: 200 segments × 20 signals, and how many people were paged.

Panes of five minutes and 16 traces in each segment. Each segment has a reference of its own of 1,000 traces; all share
the budget of one false page in thirty days.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.drift import ours
from benchmarks.drift.laws import Law
from benchmarks.drift.results import Plan, Report, Row
from benchmarks.drift.streams import REFERENCE, sample
from benchmarks.drift.traffic import Independent

SEGMENTS, SIGNALS, VECTORS = 200, 20, 3
PANE, DAYS, PER_DAY = 16, 30, 288
OWN = 1_000  # traces of a segment's reference
POOL = 4_001  # panes, a prime: each segment goes through all of them in an order of its own before any comes again
BUDGET = 1.0  # false pages in thirty days


def measure(laws: Sequence[Law], plan: Plan, report: Report) -> list[Row]:
    """One row: alarms of monitors, and pages, one for all signals of a segment that drift at once."""
    signals = chosen(laws)
    segments, panes = (20, 100) if plan.quick else (SEGMENTS, DAYS * PER_DAY)
    fleets = []
    for number, law in enumerate(signals):
        fleets.append(fleet(law, segments, seed=(7, number)))
        report(f"{law.name}: {segments} references")
    level = ours.fleet_threshold(segments, len(signals), panes=DAYS * PER_DAY, false_alarms=BUDGET)
    random = np.random.default_rng(8)
    first, stride = random.integers(0, POOL, segments), 1 + random.permutation(POOL - 1)[:segments]
    drifting = np.zeros((len(signals), segments), dtype=bool)
    alarms, pages = dict.fromkeys((law.name for law in signals), 0), 0
    for pane in range(panes):
        before = drifting.any(axis=0)
        for number, one in enumerate(fleets):
            now = one.advance((first + (pane + 13 * number) * stride) % POOL, PANE, level)
            alarms[signals[number].name] += int((now & ~drifting[number]).sum())
            drifting[number] = now
        pages += int((drifting.any(axis=0) & ~before).sum())
        if (pane + 1) % (10 * PER_DAY) == 0:
            told = ", ".join(f"{name} {count}" for name, count in alarms.items() if count)
            report(f"day {(pane + 1) // PER_DAY}: {pages} pages; alarms: {told or 'none'}")
    row = {"segments": segments, "signals": len(signals), "panes": panes, "budget": BUDGET * panes / DAYS / PER_DAY}
    return [row | {"alarms": sum(alarms.values()), "by_law": alarms, "pages": pages}]


def chosen(laws: Sequence[Law]) -> list[Law]:
    """Twenty signals of the laws at hand, three of them embeddings; laws come again with other draws."""
    vectors = [law for law in laws if law.kind == "vector"]
    others = [law for law in laws if law.kind != "vector"]
    return [
        *(vectors[i % len(vectors)] for i in range(VECTORS if vectors else 0)),
        *(others[i % len(others)] for i in range(SIGNALS - (VECTORS if vectors else 0))),
    ]


def fleet(law: Law, segments: int, *, seed: tuple[int, ...]) -> ours.Fleet:
    """The monitors of one signal in every segment, and the panes that come to them."""
    traffic = Independent()
    whole = sample(law, traffic, REFERENCE, seed=(*seed, 0))
    parts = [sample(law, traffic, OWN, seed=(*seed, 1, i)) for i in range(segments)]
    stream = sample(law, traffic, POOL * PANE, seed=(*seed, 2))
    return ours.fit_fleet(whole, parts, stream, law.kind, pane=PANE)
