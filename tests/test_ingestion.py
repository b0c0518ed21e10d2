"""Alerts about reading: silence of the consumers and records gone unread are told of once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
import sqlalchemy as sa

from monitor.events import AlertChanged, Event
from monitor.ingestion import IngestWatch
from monitor.model.record import Partition, Progress
from monitor.storage import alerts
from monitor.storage.engine import connect
from monitor.storage.ingest import PostgresIngestStore
from monitor.storage.migrate import migrate
from monitor.storage.traces import PostgresTraceStore

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
AFTER = timedelta(minutes=10)


class Site:
    """A database with two partitions seen at START, and a clock that is set by hand."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine, self.now = engine, START
        self.told: list[Event] = []
        self.store = PostgresTraceStore(engine)
        self.store.positions({Partition("traces", 0): 0, Partition("traces", 1): 0, Partition("http", 0): 0})
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE offsets SET seen_at = %s", (START,))
        ids = count()
        self.watch = IngestWatch(
            PostgresIngestStore(engine, endpoints=["pager"]),
            stalled_after=AFTER,
            clock=lambda: self.now,
            emit=self.told.append,
            new_id=lambda: f"alert_{next(ids)}",
        )

    def tick(self, after: timedelta) -> list[tuple[str, str]]:
        """What is told when the clock stands ``after`` START."""
        self.now = START + after
        self.told.clear()
        self.watch.tick()
        return [(event.happening, event.summary) for event in self.told if isinstance(event, AlertChanged)]

    def messages(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT count(*) FROM v_deliveries").scalar_one())


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    engine = connect(database_url)
    migrate(engine)
    yield Site(engine)
    engine.dispose()


def test_partitions_that_nobody_reads_fire_once_and_resolve_when_someone_does(site: Site) -> None:
    assert site.tick(AFTER) == []
    assert site.tick(AFTER + timedelta(seconds=1)) == [
        ("alert.firing", "nobody reads 2 of 3 partitions since 2026-03-01 12:00 UTC: traces/0, traces/1")
    ]
    assert site.tick(2 * AFTER) == []
    site.store.seen([Progress(Partition("traces", i), 0, 0, 0) for i in (0, 1)], START + 2 * AFTER)
    assert [happening for happening, _ in site.tick(2 * AFTER)] == ["alert.resolved"]
    assert site.messages() == 2


def test_a_partition_left_for_a_day_is_one_of_the_past(site: Site) -> None:
    assert [happening for happening, _ in site.tick(timedelta(hours=23))] == ["alert.firing"]
    assert [happening for happening, _ in site.tick(timedelta(hours=24))] == ["alert.resolved"]
    assert site.tick(timedelta(hours=25)) == []


def test_records_gone_unread_fire_once_and_stay_until_acknowledged(site: Site) -> None:
    site.store.skip_gap(Partition("traces", 0), 0, 1500, START)
    ((happening, summary),) = site.tick(timedelta(0))
    assert happening == "alert.firing"
    assert summary == (
        "traces/0: 1,500 offsets from 0 on were gone from the broker before they were read; reading went on at 1,500"
    )
    assert site.tick(timedelta(minutes=1)) == []
    assert alerts.acknowledge(site.engine, "alert_0", START)
    assert [happening for happening, _ in site.tick(timedelta(minutes=2))] == ["alert.resolved"]
    assert site.tick(timedelta(minutes=3)) == []


def test_two_judges_tell_it_once(site: Site) -> None:
    site.store.skip_gap(Partition("traces", 1), 0, 7, START)
    with site.watch.store.turn() as turn:
        assert turn is not None
        assert len(turn.gaps) == 1
        assert site.tick(timedelta(0)) == []
    assert len(site.tick(timedelta(0))) == 1
