"""One run: simulated records through the product's own flow, on stores in memory, until an alert has settled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil
from typing import Any

import msgspec
import numpy as np

from benchmarks.deployments.changes import Change, Draw
from benchmarks.deployments.service import DIMENSION, SPACE, Conditions, Traffic, World, healthy
from detectors.replay import Replay
from monitor.baseline import Learner
from monitor.codec import Limits
from monitor.fitting import Learning
from monitor.judging import Budget, Judge
from monitor.model.alert import Alert
from monitor.model.record import Partition, Progress, Record
from monitor.model.trace import Trace
from monitor.pipeline import Pipeline
from monitor.scoring import Scorer, add_up
from monitor.testing.baselines import MemoryBaselineStore
from monitor.testing.database import MemoryDatabase
from monitor.testing.stores import MemoryTraceStore, MemoryWatchStore
from monitor.watch import Pace

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
PARTITION = Partition("llm.traces.v1", 0)
PACE = Pace()
# Fewer segments than by default: each costs as much as all traffic, and an inhibited alert tells nobody.
WATCHED = ((), ("build",))
SETTLE = 6  # panes more after an alert fires: signals join, and the explanation is told again


@dataclass(frozen=True, slots=True)
class Size:
    """Traces of the reference and of a pane; panes without a change after it, and at most with one."""

    reference: int = 2000
    per_pane: int = 60
    quiet: int = 16
    panes: int = 50


SIZE = Size()


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one injected change; causes are those of the first message, and those when the alert had settled.

    ``traces`` is how many there were from the change to the alert, None where none came; ``early`` where one came
    before the change. ``paged`` is whether people were told, at first and in the end.
    """

    seed: int
    change: str
    expected: tuple[str | None, str]
    traces: int | None
    early: bool
    first: Sequence[Mapping[str, Any]]
    settled: Sequence[Mapping[str, Any]]
    summary: str
    paged: tuple[bool, bool]


class Site:
    """A consumer, a learner and a judge on one database in memory, with a clock of their own."""

    def __init__(self, reference: int, space: str, dimension: int) -> None:
        self.now = START
        database = MemoryDatabase(clock=self.clock)
        self.database = database
        traces = MemoryTraceStore(database)
        traces.positions({PARTITION: 0})
        adding = partial(add_up, watched=WATCHED, pane=PACE.pane, limit=200)
        scorer = Scorer(embedder=None, name=space, dimension=dimension)
        limits = Limits(max_lead=timedelta(days=3650))
        self.pipeline = Pipeline(traces, scorer.score, adding, clock=self.clock, limits=limits, emit=ignored)
        learning = Learning(traces=reference, watched=WATCHED, replay=Replay(panes=400))
        self.learner = Learner(
            MemoryBaselineStore(database), adding, learning=learning, pace=PACE, clock=self.clock, emit=ignored,
            space=scorer.space,
        )  # fmt: skip
        self.judge = Judge(MemoryWatchStore(database), pace=PACE, budget=Budget(), clock=self.clock, emit=ignored)
        self.read = 0

    def clock(self) -> datetime:
        return self.now

    def consume(self, traces: Sequence[Trace], until: datetime) -> None:
        """Stores a pane's traces at its end."""
        self.now = until
        records = [
            Record(PARTITION, self.read + place, msgspec.json.encode(trace), {}) for place, trace in enumerate(traces)
        ]
        end = self.read + len(records)
        self.pipeline.ingest(records, [Progress(PARTITION, self.read, end, end)])
        self.read = end

    def alert(self) -> Alert | None:
        """The first one that no other stands for."""
        return next((alert for alert in self.database.alerts.values() if alert.inhibited_by is None), None)


def ignored(_event: object) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where traces come from: what a world with a seed has for traffic, and its vectors' space and dimension."""

    traffic: Callable[[np.random.Generator], tuple[Traffic, Conditions]]
    space: str
    dimension: int


def simulated(random: np.random.Generator) -> tuple[Traffic, Conditions]:
    """Another world for each seed."""
    world, before = World.drawn(random), healthy(random)
    return Traffic(world, random), before


SIMULATED = Source(simulated, SPACE, DIMENSION)


def run(name: str, draw: Draw, seed: int, *, size: Size = SIZE, source: Source = SIMULATED) -> Run:
    """Injects a change after the reference and a quiet time, and waits for an alert and for it to settle."""
    random = np.random.default_rng(seed)
    traffic, before = source.traffic(random)
    change: Change = draw(random, before)
    site = Site(size.reference, source.space, source.dimension)
    # The pane after the reference and the next close it.
    learned_at = ceil(size.reference / size.per_pane) + 1
    changed = learned_at + size.quiet
    fired: int | None = None
    first: Sequence[Mapping[str, Any]] = ()
    paged = False
    for pane in range(changed + size.panes):
        at = START + pane * PACE.pane
        conditions = before if pane < changed else change.after
        site.consume(traffic.traces(conditions, at, PACE.pane, size.per_pane), at + PACE.pane)
        if pane < learned_at:
            continue
        site.learner.learn()
        site.judge.tick()
        alert = site.alert()
        if alert is not None and fired is None:
            fired, first, paged = pane, causes(alert), alert.paged
        if fired is not None and (fired <= changed or pane >= fired + SETTLE):
            break
    early = fired is not None and fired <= changed
    alert = site.alert()
    return Run(
        seed=seed,
        change=name,
        expected=(change.kind, change.name),
        traces=None if fired is None or early else (fired - changed + 1) * size.per_pane,
        early=early,
        first=first,
        settled=() if alert is None else causes(alert),
        summary="" if alert is None else alert.summary,
        paged=(paged, alert is not None and alert.paged),
    )


def causes(alert: Alert) -> Sequence[Mapping[str, Any]]:
    found: Mapping[str, Any] = alert.evidence.get("explanation", {})
    listed: Sequence[Mapping[str, Any]] = found.get("causes", ())
    return listed
