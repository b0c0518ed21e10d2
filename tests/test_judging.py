"""The judge end to end: traces in, verdicts, alerts and messages out, in memory and in Postgres."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import numpy as np
import pytest

from monitor.baseline import Learner
from monitor.errors import Transient
from monitor.events import AlertChanged, Away, Back, Event, PanesJudged
from monitor.fitting import Learning
from monitor.judging import Budget, Judge, replay, run_judge
from monitor.model.baseline import Baseline
from monitor.model.build import build_of
from monitor.model.record import PartitionState, Progress
from monitor.model.segment import Segment
from monitor.pipeline import Pipeline
from monitor.ports import WatchStore
from monitor.testing.database import MemoryDatabase
from monitor.testing.stores import MemoryWatchStore
from monitor.watch import Pace
from tests.stores import (
    FIRST,
    KINDS_OF_STORES,
    LIMITS,
    PANE,
    SCORER,
    START,
    WATCHED,
    InMemory,
    Stores,
    adding_up,
    decoded,
    line,
    opened,
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


@pytest.fixture(params=KINDS_OF_STORES)
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    with opened(request) as found:
        yield found


def test_a_planted_change_is_one_alert_that_resolves(stores: Stores) -> None:
    site = Site(stores, "pager", "chat")
    site.learn()
    site.run(ticks_every=1)
    whole = [alert for alert in stores.alerts() if alert.labels["segment"] == "all"]

    (alert,) = whole
    assert tuple(alert.signals) == MOVED
    assert START + CHANGED * PANE <= alert.onset <= START + (CHANGED + 1) * PANE
    assert timedelta(0) < alert.fired_at - (START + CHANGED * PANE) <= 6 * PANE
    assert alert.status == "resolved"
    assert alert.resolved_at is not None
    assert START + BACK * PANE < alert.resolved_at < START + END * PANE
    evidence = alert.evidence["response.tokens"]
    assert (evidence["effect_kind"], evidence["unit"]) == ("psi", "tokens")
    assert evidence["reference"] == pytest.approx(100, abs=5)
    assert evidence["now"] == pytest.approx(150, abs=10)
    assert stores.posted() == [
        ("alert.firing", "all", "chat"),
        ("alert.firing", "all", "pager"),
        ("alert.resolved", "all", "chat"),
        ("alert.resolved", "all", "pager"),
    ]


def test_the_change_is_laid_to_the_build_that_made_it(stores: Stores) -> None:
    site = Site(stores)
    baseline = site.learn()
    site.run(ticks_every=1)
    alert = next(alert for alert in stores.alerts() if alert.labels["segment"] == "all")
    shares = alert.evidence["response.tokens"]["shares"]

    assert shares.keys() == {f"build={OLD}", f"build={NEW}", "tenant=acme", "tenant=other"}
    assert shares[f"build={NEW}"] == pytest.approx(1, abs=0.15)
    assert shares[f"build={OLD}"] + shares[f"build={NEW}"] == pytest.approx(1, abs=1e-9)
    assert shares["tenant=acme"] + shares["tenant=other"] == pytest.approx(1, abs=1e-9)
    assert alert.summary.startswith("all traffic: ")
    assert re.search(r"response.tokens rose from (99|100|101) to 1[45]\d tokens", alert.summary)
    # Without embeddings nothing is said of whether the prompts moved.
    assert f" on build {NEW} since " in alert.summary
    assert alert.summary.endswith("; longer answers")
    explanation = alert.evidence["explanation"]
    first, last = explanation["causes"]
    assert (first["kind"], first["name"], first["beside"]) == ("build", NEW, [])
    assert first["share"] == pytest.approx(1, abs=0.15)
    assert first["p_value"] < 1e-6
    assert (last["kind"], first["share"] + last["share"]) == ("unexplained", pytest.approx(1))
    assert explanation["behaviour"] == {signal: pytest.approx(1, abs=0.15) for signal in MOVED}
    assert explanation["prompts_moved"] is None
    assert explanation["traces"]["before"] >= REFERENCE * PER_PANE - len(baseline.shaped) * PER_PANE
    assert all(example["tenant"] == "acme" and example["place"] > 1 for example in explanation["examples"])


def test_the_part_of_the_traffic_that_drifts_too_is_recorded_but_tells_nobody(stores: Stores) -> None:
    site = Site(stores, "pager")
    site.learn()
    site.run(ticks_every=1)
    alerts = {alert.labels["segment"]: alert for alert in stores.alerts()}

    assert alerts.keys() == {"all", "tenant=acme"}
    assert alerts["tenant=acme"].inhibited_by == alerts["all"].id
    assert alerts["tenant=acme"].status == "resolved"
    assert {segment for _, segment, _ in stores.posted()} == {"all"}


def test_the_judge_tells_what_it_did(stores: Stores) -> None:
    site = Site(stores)
    site.learn()
    site.run(ticks_every=1)
    changes = [event for event in site.events if isinstance(event, AlertChanged)]
    panes = [event for event in site.events if isinstance(event, PanesJudged) and event.segment == "all"]

    told = [event.happening for event in changes if event.labels["segment"] == "all"]
    # Nine panes of drift: explained again when they were two, four and eight.
    assert told == ["alert.firing", *["alert.updated"] * 3, "alert.resolved"]
    judged = sum(event.panes for event in panes)
    assert (judged, sum(event.traces for event in panes)) == (END - 1 - REFERENCE, PER_PANE * judged)
    assert {event.drifted for event in panes} == {(), MOVED}


def verdicts(stores: Stores, *, ticks_every: int) -> Sequence[tuple[object, ...]]:
    site = Site(stores)
    site.learn()
    site.run(ticks_every=ticks_every)
    return stores.verdicts()


def test_one_tick_and_many_give_the_same_verdicts(stores: Stores) -> None:
    many = verdicts(InMemory(), ticks_every=1)
    one = verdicts(stores, ticks_every=10 * END)

    assert one == many
    assert len({pane for pane, *_ in one}) >= END - REFERENCE - 2
    assert any(drifted for *_, drifted in one)


def test_what_was_stored_is_what_a_replay_says(stores: Stores) -> None:
    site = Site(stores)
    baseline = site.learn()
    site.run(ticks_every=7)
    again = replay(baseline, stores.judged(baseline).items(), pace=PACE, budget=Budget())

    told = sorted((v.pane, v.segment, v.signal, v.n, v.log_e, v.drifted) for v in again)
    assert told == stores.verdicts()
    assert {segment for _, segment, *_ in told} == {ALL, ACME, Segment.of(tenant="other"), Segment.of(build=OLD)}


def test_a_larger_budget_alarms_no_later() -> None:
    stores = InMemory()
    site = Site(stores)
    baseline = site.learn()
    site.run(ticks_every=1)

    def first(false_alarms: float) -> datetime:
        found = replay(baseline, stores.judged(baseline).items(), pace=PACE, budget=Budget(false_alarms))
        return min(verdict.pane for verdict in found if verdict.drifted and verdict.segment == ALL)

    assert START + CHANGED * PANE <= first(100.0) <= first(1.0) <= first(1e-6)


def test_two_judges_that_take_turns_judge_as_one(stores: Stores) -> None:
    site = Site(stores, "pager")
    baseline = site.learn()
    other = Judge(stores.watches("pager"), pace=PACE, budget=Budget(), clock=site.clock, emit=site.emit)
    for pane in range(REFERENCE + 2, CHANGED + 6):
        site.consume(pane)
        (site.judge, other)[pane % 2].tick()

    told = sorted(
        (v.pane, v.segment, v.signal, v.n, v.log_e, v.drifted)
        for v in replay(baseline, stores.judged(baseline).items(), pace=PACE, budget=Budget())
    )
    assert stores.verdicts() == told
    assert stores.posted() == [("alert.firing", "all", "pager")]


def test_without_a_baseline_or_a_trace_there_is_nothing_to_judge(stores: Stores) -> None:
    site = Site(stores)
    before = site.judge.tick()
    site.consume(0)

    assert (before, site.judge.tick()) == (0, 0)
    assert stores.verdicts() == []


def test_open_panes_wait_for_their_end_and_the_lateness(stores: Stores) -> None:
    site = Site(stores)
    site.learn()
    site.judge.tick()
    judged = max(pane for pane, *_ in stores.verdicts())

    # Pane 11 is the newest: its last trace came before its end, and pane 10 still waits for stragglers of 30 s.
    assert judged == START + REFERENCE * PANE


class Failing(MemoryWatchStore):
    """A store that is away when it is asked for partitions, so many times."""

    def __init__(self, database: MemoryDatabase, times: int) -> None:
        super().__init__(database)
        self.times = times

    def partitions(self) -> Sequence[PartitionState]:
        if self.times:
            self.times -= 1
            raise Transient("the database is away")
        return super().partitions()


def loop(store: WatchStore, *, rounds: int) -> tuple[list[Event], list[float]]:
    """What ``run_judge`` told, and how long it waited, in that many rounds."""
    events: list[Event] = []
    waited: list[float] = []
    judge = Judge(store, pace=PACE, budget=Budget(), clock=lambda: START, emit=events.append)
    learned: list[None] = []
    stopped: Callable[[], bool] = lambda: len(learned) >= rounds  # noqa: E731
    run_judge(judge, lambda: learned.append(None), emit=events.append, stopped=stopped, wait=waited.append)
    return events, waited


def test_the_loop_waits_longer_and_longer_for_a_store_that_is_away() -> None:
    stores = InMemory()
    Site(stores).learn()
    events, waited = loop(Failing(stores.database, times=6), rounds=7)

    assert waited[:6] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert next(event for event in events if isinstance(event, Away)) == Away("store", "the database is away", 1.0)
    assert [type(event) for event in events if isinstance(event, Away | Back)] == [Away] * 6 + [Back]


def test_the_loop_rests_only_when_nothing_is_due() -> None:
    stores = InMemory()
    site = Site(stores)
    site.learn()
    events, waited = loop(site.store, rounds=3)

    assert sum(isinstance(event, PanesJudged) for event in events) > 0
    assert waited == [1.0, 1.0]
