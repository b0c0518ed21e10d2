"""From records to committed units, in memory and in Postgres; and the loops around it."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import pytest

from monitor.errors import Fenced, Permanent, Repeated, Transient, Unstorable
from monitor.events import Away, Back, BatchStored, Event, OffsetsLost, OwnershipLost, PartitionsPlaced
from monitor.model.record import Partition, Progress, Reject
from monitor.model.scored import Scored, Unit
from monitor.model.segment import Segment
from monitor.pipeline import Intake, Pipeline, Stored, consume
from monitor.pipeline.intake import HTTP
from monitor.ports import Key, TraceStore
from monitor.testing.database import MemoryDatabase
from monitor.testing.sources import MemoryDeadLetters, MemoryLog, MemorySource
from monitor.testing.stores import MemoryTraceStore
from tests.stores import (
    FIRST,
    KINDS_OF_STORES,
    LIMITS,
    PANE,
    SCORER,
    START,
    UNSTORABLE,
    InMemory,
    Stores,
    adding_up,
    line,
    no_sums,
    opened,
    records,
    small_baseline,
    told,
    unit,
)  # fmt: skip


@pytest.fixture(params=KINDS_OF_STORES)
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    with opened(request) as found:
        found.traces().positions({FIRST: 0})
        yield found


def pipeline(store: TraceStore, events: list[Event] | None = None) -> Pipeline:
    emit = (events if events is not None else []).append
    return Pipeline(store, SCORER.score, adding_up, clock=lambda: START, limits=LIMITS, emit=emit)


def ingest(made: Pipeline, lines: Sequence[bytes], *, first: int = 0) -> Stored:
    end = first + len(lines)
    return made.ingest(records(lines, first=first), [Progress(FIRST, first, end, end)])


def ids(stores: Stores) -> list[str]:
    return [item.trace.id for item in stores.baselines().history(where={}, limit=10_000).traces]


def at(number: int) -> bytes:
    return line(number, START + timedelta(seconds=number))


def test_a_batch_becomes_traces_repeats_and_rejects(stores: Stores) -> None:
    events: list[Event] = []
    lines = [at(1), at(2), b"nonsense", at(1), line(3, schema_version="2.0")]
    outcome = ingest(pipeline(stores.traces(), events), lines)

    assert (outcome.traces, outcome.repeats, [reject.reason for reject in outcome.rejects]) == (
        2, 1, ["not_json", "unknown_schema_version"],
    )  # fmt: skip
    assert (ids(stores), stores.counts(FIRST)) == (["t1", "t2"], (2, 1, 2))
    assert [reject.reject.record.offset for reject in stores.traces().waiting_rejects(9)] == [2, 4]
    (event,) = events
    assert isinstance(event, BatchStored)
    assert (event.traces, event.repeats) == (2, 1)
    assert event.rejects == Counter(not_json=1, unknown_schema_version=1)
    assert event.seconds.keys() == {"decode", "score", "summarise", "store"}
    assert all(seconds >= 0 for seconds in event.seconds.values())


def test_a_batch_of_rejects_alone_moves_the_offset(stores: Stores) -> None:
    outcome = ingest(pipeline(stores.traces()), [b"", b"[]"])

    assert (outcome.traces, len(outcome.rejects)) == (0, 2)
    assert stores.traces().positions({FIRST: 0}) == {FIRST: 2}


def test_a_producers_retry_is_counted_and_stored_once(stores: Stores) -> None:
    made = pipeline(stores.traces())
    ingest(made, [at(1), at(2)])
    outcome = ingest(made, [at(2), at(3), at(1), at(3)], first=2)

    assert (outcome.traces, outcome.repeats) == (1, 3)
    assert (ids(stores), stores.counts(FIRST)) == (["t1", "t2", "t3"], (3, 3, 0))


def test_a_batch_of_repeats_alone_moves_the_offset(stores: Stores) -> None:
    made = pipeline(stores.traces())
    ingest(made, [at(1), at(2)])
    outcome = ingest(made, [at(1), at(2)], first=2)

    assert (outcome.traces, outcome.repeats) == (0, 2)
    assert stores.traces().positions({FIRST: 0}) == {FIRST: 4}


def test_repeats_are_in_no_sum(stores: Stores) -> None:
    baseline = stores.baselines().activate(small_baseline(), no_sums)
    made = pipeline(stores.traces())
    ingest(made, [line(1), line(2)])
    ingest(made, [line(2), line(3), line(3)], first=2)
    (once,) = [part.sum for part in unit([line(1), line(2), line(3)], baseline=baseline).sums if part.segment.is_all]

    parts = stores.watches().parts(baseline, START, START + PANE)
    assert told(parts[Segment()]) == told(once)


def test_a_baseline_that_came_meanwhile_is_loaded_and_added_up_with(stores: Stores) -> None:
    made = pipeline(stores.traces())
    ingest(made, [line(1)])
    baseline = stores.baselines().activate(small_baseline(), no_sums)
    outcome = ingest(made, [line(2), line(3)], first=1)

    assert outcome.traces == 2
    assert made.baseline is not None
    assert made.baseline.version == 1
    assert stores.watches().parts(baseline, START, START + PANE)[Segment()].n == 2


def test_another_owner_stops_the_batch_and_nothing_is_stored(stores: Stores) -> None:
    mine, other = pipeline(stores.traces()), pipeline(stores.traces())
    ingest(other, [at(1)])

    with pytest.raises(Fenced):
        ingest(mine, [at(1), at(2), b"nonsense"])
    assert (ids(stores), stores.counts(FIRST)) == (["t1"], (1, 0, 0))


def test_a_trace_the_database_will_not_take_becomes_a_reject_with_its_words(stores: Stores) -> None:
    outcome = ingest(pipeline(stores.traces()), [at(1), line(2, **UNSTORABLE), at(3)])

    (reject,) = outcome.rejects
    assert (reject.reason, reject.message) == ("unstorable", "value overflows numeric format")
    assert (reject.record.offset, outcome.traces) == (1, 2)
    assert (ids(stores), stores.counts(FIRST)) == (["t1", "t3"], (2, 0, 1))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_repeat_and_an_unstorable_trace_in_one_batch_are_each_set_aside(
    stores: Stores, order: tuple[int, int]
) -> None:
    made = pipeline(stores.traces())
    ingest(made, [at(1)])
    pair = [at(1), line(2, **UNSTORABLE)]
    outcome = ingest(made, [*(pair[place] for place in order), at(3)], first=1)

    assert (outcome.traces, outcome.repeats, [reject.reason for reject in outcome.rejects]) == (1, 1, ["unstorable"])
    assert (ids(stores), stores.counts(FIRST)) == (["t1", "t3"], (2, 1, 1))


class Stubborn(MemoryTraceStore):
    """Refuses what it is given without a trace to blame."""

    def __init__(self, error: Exception) -> None:
        super().__init__(MemoryDatabase())
        self.error = error

    def commit(self, unit: Unit) -> None:
        raise self.error

    def known(self, keys: Sequence[Key]) -> set[Key]:
        return set()

    def unstorable(self, scored: Scored, received_at: datetime) -> Mapping[int, str]:
        return {}


@pytest.mark.parametrize("error", [Repeated("a key of ours"), Unstorable("some constraint")])
def test_a_refusal_nobody_is_to_blame_for_is_tried_again_later_not_at_once(error: Exception) -> None:
    with pytest.raises(Transient, match=str(error)):
        ingest(pipeline(Stubborn(error)), [at(1)])


def test_batches_of_any_size_store_and_add_up_the_same() -> None:
    lines = [at(n) for n in range(40)] + [at(7), b"nonsense", at(8)]
    outcomes = []
    for size in (1, 7, 43):
        stores = InMemory()
        stores.traces().positions({FIRST: 0})
        baseline = stores.baselines().activate(small_baseline(), no_sums)
        made = pipeline(stores.traces())
        for first in range(0, len(lines), size):
            ingest(made, lines[first : first + size], first=first)
        total = stores.watches().parts(baseline, START, START + PANE)[Segment()]
        outcomes.append((ids(stores), stores.counts(FIRST), total.n, total.total.round(6).tolist()))

    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert outcomes[0][1] == (40, 2, 1)


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


class Troubled(MemoryTraceStore):
    """Raises these errors, one at each of its first commits."""

    def __init__(self, database: MemoryDatabase, errors: Sequence[Exception]) -> None:
        super().__init__(database)
        self.errors = list(errors)

    def commit(self, unit: Unit) -> None:
        if self.errors:
            raise self.errors.pop(0)
        super().commit(unit)


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

    assert loop.happened(Away) == [Away("store", "the database is away", 1.0)]
    assert sorted(ids(stores)) == sorted(f"t{n}" for n in range(10))


def test_what_no_retry_mends_ends_the_loop() -> None:
    stores = InMemory()
    loop = Loop(stores, Troubled(stores.database, [Permanent("the password is wrong")]))
    loop.write(range(1))

    with pytest.raises(Permanent, match="the password is wrong"):
        loop.consume(loop.stored(1))


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
