import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from monitor.model.scored import Scored
from monitor.storage.places import give_places, read_places
from tests.stores import FIRST, InPostgres, line, scored, unit


@pytest.fixture
def real(migrated_url: str) -> Iterator[InPostgres]:
    real = InPostgres(migrated_url)
    real.traces().positions({FIRST: 0})
    yield real
    real.empty()
    real.close()


def without(batch: Scored, *names: str) -> Scored:
    """The batch of a program that does not know these signals."""
    return replace(
        batch,
        columns={name: column for name, column in batch.columns.items() if name not in names},
        scores={name: column for name, column in batch.scores.items() if name not in names},
    )


def test_signals_stand_in_the_order_in_which_they_came_and_new_ones_behind(real: InPostgres) -> None:
    batch = scored([line(1)])
    with real.engine.begin() as connection:
        first = give_places(connection, without(batch, "latency", "hedging", "status"))
        second = give_places(connection, batch)
        again = give_places(connection, without(batch, "abstention"))

    assert second.scalars == [*first.scalars, "latency", "hedging"]
    assert second.categories == [*first.categories, "status"]
    assert again == second
    assert first.hold(without(batch, "latency", "hedging", "status"))
    assert not first.hold(without(batch, "latency", "hedging"))


def test_processes_that_start_together_give_each_place_once(real: InPostgres) -> None:
    stores = [real.traces() for _ in range(4)]
    threads = [threading.Thread(target=store.learn_places, args=[scored([line(1)])]) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with real.engine.connect() as connection:
        assert [store.places for store in stores] == [read_places(connection)] * 4


def test_a_trace_stored_before_a_signal_lacks_it(real: InPostgres) -> None:
    old, new = unit([line(1, tokens=7)]), unit([line(2, tokens=8)], first=1)
    store = real.traces()
    store.commit(replace(old, scored=without(old.scored, "response.tokens", "abstention", "status")))
    store.commit(new)
    found = real.baselines().history(where={}, limit=10).columns
    seen = real.rows("SELECT id, response_tokens FROM v_traces ORDER BY id")
    scores = real.rows("SELECT id, score FROM v_scores WHERE score IN ('abstention', 'hedging') ORDER BY id, score")

    assert np.array_equal(found["response.tokens"], [np.nan, 8.0], equal_nan=True)
    assert found["status"] == [None, "ok"]
    assert [tuple(row) for row in seen] == [("t1", None), ("t2", 8.0)]
    assert [tuple(row) for row in scores] == [("t1", "hedging"), ("t2", "abstention"), ("t2", "hedging")]


def test_a_program_that_knows_fewer_signals_reads_and_writes_beside_one_that_knows_more(real: InPostgres) -> None:
    new, old = unit([line(1, tokens=7)]), unit([line(2, tokens=8)], first=1)
    real.traces().commit(new)
    real.traces().commit(replace(old, scored=without(old.scored, "response.tokens")))

    found = real.baselines().history(where={}, limit=10).columns
    assert np.array_equal(found["response.tokens"], [7.0, np.nan], equal_nan=True)
