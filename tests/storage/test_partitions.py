import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest

from monitor.storage import partitions
from tests.stores import FIRST, START, InPostgres, line, unit

DAY = timedelta(days=1)
TABLES = ("panes", "traces", "verdicts")


@pytest.fixture
def real(database_url: str) -> Iterator[InPostgres]:
    real = InPostgres(database_url)
    real.traces().positions({FIRST: 0})
    yield real
    real.close()


def add(real: InPostgres, times: Sequence[datetime], *, first: int = 0) -> None:
    real.traces().commit(unit([line(first + i, at) for i, at in enumerate(times)], first=first))


def homes(real: InPostgres) -> list[tuple[str, str]]:
    """Where each trace lies."""
    found = real.rows("SELECT id, tableoid::regclass::text AS home FROM traces ORDER BY time, id")
    return [(row.id, row.home) for row in found]


def test_days_from_yesterday_to_three_ahead_are_made_once(real: InPostgres) -> None:
    made = partitions.ensure(real.engine, START)

    days = ("20900430", "20900501", "20900502", "20900503", "20900504")
    assert sorted(made) == sorted(f"{table}_{day}" for table in TABLES for day in days)
    assert partitions.ensure(real.engine, START) == []
    assert sorted(partitions.ensure(real.engine, START + DAY)) == [f"{table}_20900505" for table in TABLES]


def test_roles_that_start_together_make_each_day_once(real: InPostgres) -> None:
    made: list[list[str]] = []
    threads = [threading.Thread(target=lambda: made.append(partitions.ensure(real.engine, START))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(len, made)) == [0, 0, 0, 15]


def test_days_are_those_of_utc(real: InPostgres) -> None:
    ahead = timezone(timedelta(hours=14))
    made = partitions.ensure(real.engine, datetime(2090, 5, 2, 1, tzinfo=ahead), behind=timedelta(0))

    assert min(made) == "panes_20900501"


def test_a_trace_lies_on_its_own_day_and_elsewhere_where_there_is_none(real: InPostgres) -> None:
    partitions.ensure(real.engine, START)
    midnight = datetime(2090, 5, 2, tzinfo=UTC)
    times = [START - 30 * DAY, midnight - timedelta(microseconds=1), midnight]
    add(real, times)

    assert homes(real) == [("t0", "traces_default"), ("t1", "traces_20900501"), ("t2", "traces_20900502")]


def test_a_day_whose_rows_are_in_the_default_partition_stays_there(real: InPostgres) -> None:
    add(real, [START])
    made = partitions.ensure(real.engine, START)
    add(real, [START, START + DAY], first=1)

    assert "traces_20900501" not in made
    assert {"traces_20900430", "traces_20900502", "panes_20900501"} <= set(made)
    assert homes(real) == [("t0", "traces_default"), ("t1", "traces_default"), ("t2", "traces_20900502")]


def test_the_key_holds_within_the_default_partition_too(real: InPostgres) -> None:
    add(real, [START])
    partitions.ensure(real.engine, START)

    assert real.traces().known([("acme", "t0", START)]) == {("acme", "t0", START)}


def test_old_days_and_old_rows_are_dropped(real: InPostgres) -> None:
    partitions.ensure(real.engine, START)
    add(real, [START - 30 * DAY, START - DAY, START, START + 30 * DAY])
    dropped = partitions.drop_before(real.engine, START)

    assert dropped == [f"{table}_20900430" for table in TABLES]
    assert homes(real) == [("t2", "traces_20900501"), ("t3", "traces_default")]
    assert partitions.drop_before(real.engine, START) == []


def test_a_day_is_kept_as_long_as_any_of_it_is_wanted(real: InPostgres) -> None:
    partitions.ensure(real.engine, START)
    add(real, [START])
    dropped = partitions.drop_before(real.engine, datetime(2090, 5, 1, 23, 59, tzinfo=UTC))

    assert {name.rpartition("_")[2] for name in dropped} == {"20900430"}
    assert homes(real) == [("t0", "traces_20900501")]
