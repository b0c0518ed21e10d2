"""Traces that come in without a broker, into memory and into Postgres."""

import threading
from collections.abc import Iterator

import pytest

from monitor.errors import Fenced, Transient
from monitor.pipeline import Intake
from monitor.pipeline.intake import HTTP
from monitor.testing.database import MemoryDatabase
from tests.pipeline.support import Troubled, at, ids, pipeline
from tests.stores import FIRST, KINDS_OF_STORES, Stores, opened


@pytest.fixture(params=KINDS_OF_STORES)
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    with opened(request) as found:
        found.traces().positions({FIRST: 0})
        yield found


def test_lines_over_http_are_stored_with_offsets_of_their_own(stores: Stores) -> None:
    store = stores.traces()
    intake = Intake(store, pipeline(store))
    first = intake.take([at(1), b"nonsense"])
    second = intake.take([at(2), at(1)])

    assert (first.first, second.first) == (0, 2)
    assert [reject.record.offset for reject in first.stored.rejects] == [1]
    assert (second.stored.traces, second.stored.repeats) == (1, 1)
    assert stores.counts(HTTP) == (2, 1, 1)


def test_writers_over_http_in_several_processes_lose_nothing(stores: Stores) -> None:
    intakes = [Intake(store, pipeline(store)) for store in (stores.traces() for _ in range(3))]

    def write(place: int) -> None:
        for n in range(5):
            intakes[place].take([at(100 * place + n)])

    threads = [threading.Thread(target=write, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ids(stores)) == 15
    assert stores.traces().positions({HTTP: 0}) == {HTTP: 15}


def test_a_writer_that_is_always_fenced_gives_up() -> None:
    store = Troubled(MemoryDatabase(), [Fenced("moved")] * 20)

    with pytest.raises(Transient, match="too many writers at once over HTTP"):
        Intake(store, pipeline(store)).take([at(1)])
