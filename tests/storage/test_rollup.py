"""What is Postgres' own: a step of adding up is a transaction, and takes few panes."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pytest
from sqlalchemy.exc import DBAPIError

from detectors.base import Sum
from monitor.model.segment import Segment
from monitor.storage.panes import close_panes, judged, parts
from monitor.storage.rollup import STEP, roll_up
from tests.stores import START, InPostgres, no_sums, small_baseline, told

ALL = Segment()
SECOND = timedelta(seconds=1)
NOW = START + timedelta(days=2)
WHOLE = (START - timedelta(days=1), NOW)


@pytest.fixture
def real(database_url: str) -> Iterator[InPostgres]:
    """Nine hundred panes of a second, judged two days ago."""
    real = InPostgres(database_url)
    real.baselines().activate(small_baseline(), no_sums)
    totals = np.random.default_rng(1).integers(0, 100, (900, 3)).astype(float)
    with real.engine.begin() as connection:
        close_panes(connection, 1, ALL, {START + i * SECOND: Sum(1.0, total) for i, total in enumerate(totals)})
    yield real
    real.close()


def step(real: InPostgres, now: datetime = NOW) -> int:
    with real.engine.begin() as connection:
        return roll_up(connection, now)


def whole(real: InPostgres) -> tuple[float, list[float]]:
    with real.engine.connect() as connection:
        return told(parts(connection, 1, *WHOLE)[ALL])


def test_a_step_takes_few_panes_and_an_hour_may_take_many_steps(real: InPostgres) -> None:
    before = whole(real)
    taken, sums = [], []
    while taken[-1:] != [0]:
        taken.append(step(real))
        sums.append(whole(real))

    assert taken == [STEP, STEP + 1, STEP + 1, 900 - 3 * STEP + 1, 0]
    assert sums == [before] * len(taken)
    with real.engine.connect() as connection:
        assert list(judged(connection, 1, ALL)) == [START]


def test_a_kill_within_any_step_loses_and_repeats_nothing(real: InPostgres) -> None:
    before, after = whole(real), []
    for _ in range(4):
        killed(real)
        after.append(whole(real))
        step(real)
        after.append(whole(real))

    assert after == [before] * 8
    assert step(real) == 0


def killed(real: InPostgres) -> None:
    """A step whose process dies before it commits."""
    with real.engine.connect() as connection:
        assert roll_up(connection, NOW) > 0
        process = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        real.rows("SELECT pg_terminate_backend(%s)", process)
        with pytest.raises(DBAPIError):
            connection.commit()


def test_what_is_due_is_found_by_an_index(real: InPostgres) -> None:
    with real.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE panes")
        plan = connection.exec_driver_sql(
            "EXPLAIN SELECT baseline, segment, pane FROM panes WHERE width = '1 hour' AND pane < '2090-05-02'"
            " ORDER BY pane LIMIT 1"
        ).scalars()
        assert "width" in " ".join(line for line in plan if "Index Cond" in line)
