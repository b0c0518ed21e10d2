"""An installation with one stream of traces, judged in simulated time."""

from datetime import datetime

import numpy as np

from monitor.baseline import Learner
from monitor.events import Event
from monitor.fitting import Learning
from monitor.judging import Budget, Judge
from monitor.model.baseline import Baseline
from monitor.model.build import build_of
from monitor.model.record import Progress
from monitor.model.segment import Segment
from monitor.pipeline import Pipeline
from monitor.watch import Pace
from tests.stores import (
    FIRST,
    LIMITS,
    PANE,
    SCORER,
    START,
    WATCHED,
    Stores,
    adding_up,
    decoded,
    line,
    records,
)

PER_PANE = 100
REFERENCE, CHANGED, BACK, END = 10, 15, 24, 60  # panes
ALL, ACME = Segment(), Segment.of(tenant="acme")
PACE = Pace()
# The same words in more tokens are more tokens per word, too.
MOVED = ("response.tokens", "tokenization.fragmentation")
FIELDS = {"prompt": "What is it?", "response": "It is what it is."}
OLD, NEW = (
    build_of(decoded([line(0, version=version)])[0].trace) for version in ("1", "2")
)  # fmt: skip


def traffic(pane: int, *, changed: bool) -> list[bytes]:
    """A minute of two tenants' traces; a change gives acme a new build, whose answers are 100 tokens longer."""
    random = np.random.default_rng(pane)
    lines = []
    for place, tokens in enumerate(random.integers(50, 150, PER_PANE).tolist()):
        number = PER_PANE * pane + place
        at = START + pane * PANE + place * PANE / PER_PANE
        if changed and place % 2:
            lines.append(line(number, at, tenant="acme", version="2", tokens=tokens + 100, **FIELDS))
        else:
            lines.append(line(number, at, tenant="acme" if place % 2 else "other", tokens=tokens, **FIELDS))
    return lines


class Site:
    """A consumer, a learner and a judge at one database, with a clock of their own."""

    def __init__(self, stores: Stores, *endpoints: str) -> None:
        self.stores, self.now, self.events = stores, START, list[Event]()
        self.store = stores.watches(*endpoints)
        traces = stores.traces()
        traces.positions({FIRST: 0})
        self.pipeline = Pipeline(traces, SCORER.score, adding_up, clock=self.clock, limits=LIMITS, emit=self.emit)
        self.learner = Learner(
            stores.baselines(), adding_up,
            learning=Learning(traces=REFERENCE * PER_PANE, watched=WATCHED, replay=None), pace=PACE,
            clock=self.clock, emit=self.emit, space="none/2",
        )  # fmt: skip
        self.judge = Judge(self.store, pace=PACE, budget=Budget(), clock=self.clock, emit=self.emit)

    def clock(self) -> datetime:
        return self.now

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def consume(self, pane: int) -> None:
        """Stores the minute's traces at its end."""
        self.now = START + (pane + 1) * PANE
        first = PER_PANE * pane
        read = records(traffic(pane, changed=CHANGED <= pane < BACK), first=first)
        end = first + PER_PANE
        self.pipeline.ingest(read, [Progress(FIRST, first, end, end)])

    def learn(self) -> Baseline:
        """The baseline of the first panes; its last pane is closed by the two after it."""
        for pane in range(REFERENCE + 2):
            self.consume(pane)
        baseline = self.learner.learn()
        assert baseline is not None
        return baseline

    def run(self, *, ticks_every: int) -> None:
        for pane in range(REFERENCE + 2, END):
            self.consume(pane)
            if pane % ticks_every == 0:
                self.judge.tick()
        self.judge.tick()
