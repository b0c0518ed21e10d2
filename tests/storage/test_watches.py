"""What is Postgres' own: endpoints that are disabled, and judges in threads of their own."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.model.alert import Alert, Change
from monitor.model.baseline import Baseline
from monitor.model.canary import Canary, Turn
from monitor.model.segment import Segment
from monitor.ports import Claim
from monitor.storage.canaries import PostgresCanaryStore
from tests.stores import FIRST, PANE, START, InPostgres, line, no_sums, small_baseline, unit

ALL = Segment()
LATER = START + timedelta(hours=1)
ALERT = Alert("alert_1", {"kind": "drift", "segment": "all"}, "firing", START, LATER, "it moved", (), {})


@pytest.fixture
def real(database_url: str) -> Iterator[InPostgres]:
    real = InPostgres(database_url)
    real.traces().positions({FIRST: 0})
    yield real
    real.close()


@pytest.fixture
def baseline(real: InPostgres) -> Baseline:
    """In force, with a trace in each of five panes."""
    made = real.baselines().activate(small_baseline(), no_sums)
    real.traces().commit(unit([line(number, START + number * PANE) for number in range(5)], baseline=made))
    return made


def judge(real: InPostgres, baseline: Baseline, *changes: Change, endpoints: tuple[str, ...] = ()) -> Claim | None:
    store = real.watches(*endpoints)
    with store.claim(baseline, ALL, LATER) as claim:
        if claim is not None:
            store.record(claim, replace(claim.watch, judged_until=max(claim.panes) + PANE), [], changes)
    return claim


def test_a_disabled_endpoint_gets_no_message_and_the_others_do(real: InPostgres, baseline: Baseline) -> None:
    with real.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO endpoints VALUES ('gone', now(), 'HTTP 410')")
    judge(real, baseline, Change("alert.firing", ALERT, LATER), endpoints=("gone", "pager"))

    assert real.posted() == [("alert.firing", "all", "pager")]


def test_canaries_wait_until_a_judge_that_asked_for_their_alerts_is_done(real: InPostgres, baseline: Baseline) -> None:
    """Else each would page of the same change, for neither would see the other's alert."""
    seen: list[list[str]] = []

    def place() -> None:
        store = PostgresCanaryStore(real.engine)
        with store.place("bot", Canary(name="golden-00", messages=(Turn("user", "How long?"),)), 3, LATER) as found:
            seen.append([drift.id for drift in found.drifts])

    store = real.watches()
    with store.claim(baseline, ALL, LATER) as claim:
        assert claim is not None
        assert store.canary_alerts(START, over=START) == []
        thread = threading.Thread(target=place)
        thread.start()
        waited_for(real, "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        change = Change("alert.firing", ALERT, LATER)
        store.record(claim, replace(claim.watch, judged_until=max(claim.panes) + PANE), [], [change])
    thread.join(30)
    assert seen == [["alert_1"]]


def waited_for(real: InPostgres, sql: str) -> None:
    until = time.monotonic() + 30
    while not real.rows(sql):
        assert time.monotonic() < until, f"expected rows of {sql!r}"


def test_of_many_judges_at_once_one_gets_each_pane(real: InPostgres, baseline: Baseline) -> None:
    claims: list[Claim | None] = []
    threads = [threading.Thread(target=lambda: claims.append(judge(real, baseline))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claims) == 4
    assert sum(claim is not None for claim in claims) == 1
    assert [total.n for total in real.judged(baseline)[ALL].values()] == [1.0] * 5
