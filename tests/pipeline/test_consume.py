"""The consume loop over a log in memory, into memory and into Postgres."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from monitor.errors import Fenced, Permanent, Transient
from monitor.events import Away, Back, BatchStored, Event, OffsetsLost, OwnershipLost, PartitionsPlaced
from monitor.model.record import Partition, Reject
from monitor.pipeline import Pipeline, consume
from monitor.ports import TraceStore
from monitor.testing.sources import MemoryDeadLetters, MemoryLog, MemorySource
from tests.pipeline.support import Troubled, at, ids
from tests.stores import (
    FIRST,
    KINDS_OF_STORES,
    LIMITS,
    SCORER,
    START,
    InMemory,
    Stores,
    adding_up,
    opened,
    records,
    unit,
)


@pytest.fixture(params=KINDS_OF_STORES)
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    with opened(request) as found:
        found.traces().positions({FIRST: 0})
        yield found


class Ticking:
    """A clock that goes on by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class Loop:
    """A log of two partitions, and consumers of it at one store."""

    def __init__(self, stores: Stores, store: TraceStore | None = None) -> None:
        self.stores, self.log, self.dead_letters = stores, MemoryLog(partitions=2), MemoryDeadLetters()
        self.store = store or stores.traces()
        self.events: list[Event] = []
        self.pipeline = Pipeline(
            self.store, SCORER.score, adding_up, clock=Ticking(), limits=LIMITS, emit=self.events.append
        )

    def write(self, numbers: range) -> None:
        for number in numbers:
            self.log.append(number % 2, at(number))

    def consume(self, until: Callable[[], bool], *, rounds: int = 2_000, max_records: int = 16) -> None:
        """Runs the loop with a source of its own until something is so; fails after so many rounds."""
        left = iter(range(rounds))

        def stopped() -> bool:
            if until():
                return True
            assert next(left, None) is not None, self.events
            return False

        source = MemorySource(self.log, max_records=max_records)
        try:
            consume(source, self.store, self.pipeline, self.dead_letters, stopped)
        finally:
            source.close()

    def stored(self, count: int) -> Callable[[], bool]:
        return lambda: self.stores.baselines().count() >= count

    def happened(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


def test_the_loop_stores_all_partitions_and_where_they_stand(stores: Stores) -> None:
    loop = Loop(stores)
    loop.write(range(50))
    loop.consume(loop.stored(50))

    assert sorted(ids(stores)) == sorted(f"t{n}" for n in range(50))
    assert stores.traces().positions(dict.fromkeys(loop.log.partitions, 0)) == dict.fromkeys(loop.log.partitions, 25)
    assert loop.events[0] == PartitionsPlaced({"llm.traces.v1/0": 0, "llm.traces.v1/1": 0})


def test_a_consumer_that_comes_back_goes_on_where_the_store_stands(stores: Stores) -> None:
    loop = Loop(stores)
    loop.write(range(20))
    loop.consume(loop.stored(20))
    loop.write(range(20, 30))
    loop.consume(loop.stored(30))

    assert len(ids(stores)) == 30
    assert sum(event.traces + event.repeats for event in loop.events if isinstance(event, BatchStored)) == 30


def test_rejects_go_to_the_table_and_then_to_the_dead_letters(stores: Stores) -> None:
    loop = Loop(stores)
    loop.log.append(0, b"nonsense")
    loop.log.append(1, b"[]")
    loop.consume(lambda: len(loop.dead_letters.published) >= 2 and not stores.traces().waiting_rejects(1))

    assert sorted(reject.record.value for reject in loop.dead_letters.published) == [b"[]", b"nonsense"]
    assert stores.counts(loop.log.partitions[0]) == (0, 0, 1)


def test_rejects_that_an_earlier_consumer_left_are_forwarded(stores: Stores) -> None:
    reject = Reject(records([b"old"])[0], "not_json", "no JSON")
    stores.traces().commit(unit([], rejects=[reject]))
    loop = Loop(stores)
    loop.consume(lambda: not stores.traces().waiting_rejects(1))

    assert [reject.record.value for reject in loop.dead_letters.published] == [b"old"]


def test_a_partition_looked_at_is_noted_with_its_end(stores: Stores) -> None:
    loop = Loop(stores)
    loop.write(range(1))

    def looked_at() -> bool:
        states = {state.partition: state for state in stores.baselines().partitions()}
        empty = states.get(Partition("llm.traces.v1", 1))
        return empty is not None and empty.seen_at.year == START.year

    loop.consume(looked_at)
    assert loop.happened(Away) == []


def test_a_gap_in_the_log_is_recorded_and_read_over(stores: Stores) -> None:
    loop = Loop(stores)
    loop.write(range(20))
    loop.consume(loop.stored(20))
    loop.write(range(20, 40))
    loop.log.delete_before(0, 15)
    loop.consume(loop.stored(35))

    assert stores.gaps() == [(loop.log.partitions[0], 10, 15)]
    assert loop.happened(OffsetsLost) == [OffsetsLost("llm.traces.v1/0", 10, 15)]
    assert len(ids(stores)) == 35


def test_two_consumers_share_the_log_and_store_everything_once(stores: Stores) -> None:
    one = Loop(stores)
    two = Loop(stores)
    two.log = one.log
    one.write(range(300))
    thread = threading.Thread(target=two.consume, args=(one.stored(300),), kwargs={"rounds": 20_000})
    thread.start()
    one.consume(one.stored(300), rounds=20_000)
    thread.join()

    assert sorted(ids(stores)) == sorted(f"t{n}" for n in range(300))
    assert sum(stores.counts(partition)[0] for partition in one.log.partitions) == 300


def test_a_consumer_that_lost_its_partition_asks_the_store_where_to_go_on() -> None:
    stores = InMemory()
    loop = Loop(stores, Troubled(stores.database, [Fenced("moved"), Fenced("moved again")]))
    loop.write(range(10))
    loop.consume(loop.stored(10))

    assert loop.happened(OwnershipLost) == [OwnershipLost("moved"), OwnershipLost("moved again")]
    assert (len(loop.happened(PartitionsPlaced)), len(ids(stores))) == (3, 10)


def test_a_store_that_is_away_is_waited_for_and_nothing_is_lost() -> None:
    stores = InMemory()
    loop = Loop(stores, Troubled(stores.database, [Transient("the database is away")]))
    loop.write(range(10))
    loop.consume(lambda: bool(loop.happened(Back)), rounds=20_000)

    assert loop.happened(Away) == [Away("database or broker", "the database is away", 1.0)]
    assert sorted(ids(stores)) == sorted(f"t{n}" for n in range(10))


def test_what_no_retry_mends_ends_the_loop() -> None:
    stores = InMemory()
    loop = Loop(stores, Troubled(stores.database, [Permanent("the password is wrong")]))
    loop.write(range(1))

    with pytest.raises(Permanent, match="the password is wrong"):
        loop.consume(loop.stored(1))
