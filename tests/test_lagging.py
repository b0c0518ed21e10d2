"""The lagged reference, end to end: an hour of traffic a day, compared with the day before."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from math import log

import numpy as np
import pytest

from detectors.base import Sum
from monitor.baseline import Learner
from monitor.events import Event
from monitor.fitting import Learning
from monitor.judging import Budget, Judge
from monitor.lagging import DAY, Lagging, whole_panes
from monitor.model.record import Progress
from monitor.model.segment import Segment
from monitor.pipeline import Pipeline
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
    InPostgres,
    Stores,
    adding_up,
    line,
    opened,
    records,
)

PANES, PER_PANE = 12, 60  # of a day
ALL = Segment()
PACE = Pace()
FIELDS = {"prompt": "What is it?", "response": "It is what it is."}
LONGER = 80  # tokens
LEARNING = Learning(traces=PANES * PER_PANE - 60, watched=WATCHED, replay=None)


@pytest.fixture(params=KINDS_OF_STORES)
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    with opened(request) as found:
        yield found


def midnight(day: int) -> datetime:
    return START.replace(hour=0) + day * DAY


class Site:
    """A consumer, a learner, a judge and a lagged reference at one database."""

    def __init__(self, stores: Stores, *, days: int = 1) -> None:
        self.stores, self.now, self.events = stores, START, list[Event]()
        self.store = stores.watches("pager")
        traces = stores.traces()
        traces.positions({FIRST: 0})
        told = {"clock": lambda: self.now, "emit": self.events.append}
        self.pipeline = Pipeline(traces, SCORER.score, adding_up, limits=LIMITS, **told)
        self.learner = Learner(stores.baselines(), adding_up, learning=LEARNING, pace=PACE, space="none/2", **told)
        self.lagging = Lagging(self.store, days=days, learning=replace(LEARNING, traces=1000), pace=PACE, **told)
        self.judge = Judge(self.store, pace=PACE, budget=Budget(lagged=days > 0), **told)
        self.read = 0

    def day(self, number: int, *, longer_from: int = PANES) -> None:
        """A day's traffic from noon on, whose answers are longer from a pane on; judged pane by pane."""
        for pane in range(PANES):
            random = np.random.default_rng([number, pane])
            start = START + number * DAY + pane * PANE
            more = LONGER if pane >= longer_from else 0
            lines = [
                line(self.read + place, start + place * PANE / PER_PANE, tokens=int(tokens) + more, **FIELDS)
                for place, tokens in enumerate(random.integers(50, 150, PER_PANE))
            ]
            self.now = start + PANE
            end = self.read + PER_PANE
            self.pipeline.ingest(records(lines, first=self.read), [Progress(FIRST, self.read, end, end)])
            self.read = end
            self.learner.learn()
            self.lagging.tick()
            self.judge.tick()


def told(stores: Stores, signal: str = "response.tokens") -> list[tuple[int, str, bool, float]]:
    """Day, reference, whether it drifted, and the threshold of every verdict on all traffic, in order of time."""
    if isinstance(stores, InPostgres):
        sql = "SELECT pane, reference, drifted, log_threshold FROM v_drift WHERE segment = 'all' AND signal = %s"
        rows = [tuple(row) for row in stores.rows(sql, signal)]
    else:
        assert isinstance(stores, InMemory)
        rows = [
            (v.pane, v.reference, v.drifted, v.log_threshold)
            for v in stores.database.verdicts
            if v.segment == ALL and v.signal == signal
        ]
    return [((pane - midnight(0)) // DAY, *rest) for pane, *rest in sorted(rows)]


def test_each_pane_is_compared_with_the_day_before_too_once_that_is_not_the_baselines_own(stores: Stores) -> None:
    site = Site(stores)
    for day in range(4):
        site.day(day)
    verdicts = told(stores)
    lagged = site.store.lagged(site.store.baseline())  # type: ignore[arg-type]

    assert {day for day, reference, *_ in verdicts if reference == "golden"} == {0, 1, 2, 3}
    assert {day for day, reference, *_ in verdicts if reference == "lagged"} == {2, 3}
    assert not any(drifted for _, _, drifted, _ in verdicts)
    assert [found.judged_from for found in lagged] == [midnight(2), midnight(3)]
    newest = lagged[-1]
    assert (newest.source, newest.traces) == (f"lagged: the traffic of {midnight(2):%Y-%m-%d}", PANES * PER_PANE)
    assert (newest.since, newest.until) == (START + 2 * DAY, START + 2 * DAY + (PANES - 1 / PER_PANE) * PANE)
    assert newest.references[ALL]["response.tokens"].n == PANES * PER_PANE


def test_both_references_share_the_budget() -> None:
    alone, beside = Site(InMemory(), days=0), Site(InMemory())
    for day in range(3):
        alone.day(day)
        beside.day(day)
    before = {level for _, _, _, level in told(alone.stores)}
    after = {(reference, level) for _, reference, _, level in told(beside.stores)}

    (level,) = before
    assert {reference for reference, _ in after} == {"golden", "lagged"}
    assert [found for _, found in after] == pytest.approx([level + log(2)] * 2)
    assert not any(reference == "lagged" for _, reference, *_ in told(alone.stores))


def test_a_reference_that_moves_on_does_not_take_in_a_drift(stores: Stores) -> None:
    """Longer answers from the third day's last panes on: on the fourth, the day before is of them in part."""
    site = Site(stores)
    site.day(0)
    site.day(1)
    site.day(2, longer_from=PANES - 4)
    site.day(3, longer_from=0)
    verdicts = told(stores)
    with site.store.claim(site.store.baseline(), ALL, midnight(9)) as claim:  # type: ignore[arg-type]
        assert claim is not None

    assert claim.watch.lagged_from == midnight(2)
    assert claim.watch.building
    for reference in ("golden", "lagged"):
        assert [drifted for day, of, drifted, _ in verdicts if (day, of) == (3, reference)] == [True] * (PANES - 1)
    assert [kind for kind, *_ in stores.posted()] == ["alert.firing"]


def test_the_way_back_is_a_change_to_the_lagged_reference_and_pages_nobody_again(stores: Stores) -> None:
    site = Site(stores)
    site.day(0)
    site.day(1, longer_from=0)
    site.day(2)
    verdicts = told(stores)
    (alert,) = (alert for alert in stores.alerts() if alert.labels["segment"] == "all")

    assert [drifted for day, of, drifted, _ in verdicts if (day, of) == (1, "golden")][-1]
    assert not [drifted for day, of, drifted, _ in verdicts if (day, of) == (2, "golden")][-1]
    assert [drifted for day, of, drifted, _ in verdicts if (day, of) == (2, "lagged")][-1]
    assert alert.open
    assert [kind for kind, segment, _ in stores.posted() if segment == "all"] == ["alert.firing"]


def test_the_panes_of_a_busy_day_are_whole_and_spread_over_it() -> None:
    busy = {ALL: Sum(1_000_000.0, np.zeros(1))}
    few, many = whole_panes(midnight(0), busy, PANE, 5000), whole_panes(midnight(0), busy, PANE, 100_000)

    assert whole_panes(midnight(0), {ALL: Sum(4000.0, np.zeros(1))}, PANE, 5000) == [(midnight(0), midnight(1))]
    assert (len(few), len(many)) == (16, 144)
    assert few[:2] == [(midnight(0), midnight(0) + PANE), (midnight(0) + 90 * PANE, midnight(0) + 91 * PANE)]
    assert all(stop - start == PANE for start, stop in many)
    assert {start - midnight(0) for start, _ in many} == {i * timedelta(minutes=10) for i in range(144)}
