"""What every source keeps: the fake in memory, and the real one against a real broker."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import pytest

from monitor.errors import OffsetsExpired
from monitor.kafka import KafkaConfig, KafkaSource
from monitor.model.record import Partition, Progress, Record
from monitor.ports import Source
from monitor.testing.sources import MemoryLog, MemorySource
from tests.conftest import Broker
from tests.kafka import support
from tests.kafka.support import Keeper

RECORD_LIMIT, BYTE_LIMIT = 10, 100_000


class Log(Protocol):
    """A topic of four partitions, seen by those who write to it and by a group of readers."""

    @property
    def partitions(self) -> Sequence[Partition]: ...
    def write(self, number: int, values: Sequence[bytes]) -> None: ...
    def gap(self, number: int) -> None:
        """Two offsets without a record."""

    def delete_before(self, number: int, offset: int) -> None: ...
    def source(self) -> Source: ...


class InMemory:
    def __init__(self) -> None:
        self.log = MemoryLog(partitions=4)
        self.partitions = self.log.partitions

    def write(self, number: int, values: Sequence[bytes]) -> None:
        for value in values:
            self.log.append(number, value, key=b"k", headers={"traceparent": b"00-1"})

    def gap(self, number: int) -> None:
        self.log.skip(number, 2)

    def delete_before(self, number: int, offset: int) -> None:
        self.log.delete_before(number, offset)

    def source(self) -> Source:
        return MemorySource(self.log, max_records=RECORD_LIMIT, max_bytes=BYTE_LIMIT)


class InKafka:
    def __init__(self, config: KafkaConfig) -> None:
        self.config = config
        self.partitions = [Partition(config.topic, number) for number in range(4)]
        self.opened: list[KafkaSource] = []

    def write(self, number: int, values: Sequence[bytes]) -> None:
        support.publish(self.config, values, partition=number, key=b"k", headers={"traceparent": b"00-1"})

    def gap(self, number: int) -> None:
        support.publish_aborted(self.config, partition=number)

    def delete_before(self, number: int, offset: int) -> None:
        support.delete_before(self.config, offset, partition=number)

    def source(self) -> Source:
        self.opened.append(KafkaSource(self.config, emit=lambda event: None))
        return self.opened[-1]


@pytest.fixture(params=["memory", "kafka"])
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    if request.param == "memory":
        yield InMemory()
        return
    broker: Broker = request.getfixturevalue("kafka")
    topic = InKafka(support.prepared(broker, partitions=4, max_poll_records=RECORD_LIMIT, max_poll_bytes=BYTE_LIMIT))
    yield topic
    for source in topic.opened:
        source.close()


def assigned(source: Source, count: int) -> Sequence[Partition]:
    """Poll till this many partitions are unplaced; nothing may be read before they are placed."""
    reach(lambda: len(source.unplaced()) == count, lambda: source.poll(0.1))
    return source.unplaced()


def polled(source: Source) -> Sequence[Record]:
    """The next records that are not none."""
    found: list[Record] = []
    reach(lambda: bool(found), lambda: found.extend(source.poll(0.1)))
    return found


def reach(fact: Callable[[], bool], step: Callable[[], object]) -> None:
    end_at = time.monotonic() + support.DEADLINE_S
    while not fact():
        assert time.monotonic() < end_at
        step()


def test_nothing_is_read_before_a_partition_is_placed(log: Log) -> None:
    log.write(0, [b"one"])
    source = log.source()

    waiting = assigned(source, 4)
    read = [*source.poll(0.2), *source.poll(0.2)]

    assert (list(waiting), read, list(source.idle())) == (list(log.partitions), [], [])


def test_a_record_comes_with_its_place_key_and_headers(log: Log) -> None:
    log.write(2, [b"one", b"two"])
    source = log.source()
    source.place(dict.fromkeys(assigned(source, 4), 0))

    assert polled(source) == [
        Record(log.partitions[2], 0, b"one", {"traceparent": b"00-1"}, b"k"),
        Record(log.partitions[2], 1, b"two", {"traceparent": b"00-1"}, b"k"),
    ]


def test_reading_begins_where_the_partition_is_placed(log: Log) -> None:
    log.write(0, [b"0", b"1", b"2"])
    source = log.source()
    assigned(source, 4)
    source.place({log.partitions[0]: 2, Partition("another", 0): 7})

    assert [record.offset for record in polled(source)] == [2]
    assert list(source.unplaced()) == list(log.partitions[1:])


def test_progress_goes_from_the_position_held_to_behind_the_last_record(log: Log) -> None:
    first = log.partitions[0]
    log.write(0, [b"0"])
    log.gap(0)
    log.write(0, [b"3", b"4"])
    source = log.source()
    assigned(source, 4)
    source.place({first: 1})

    records = polled(source)
    progress = source.progress(records)
    source.stored(progress)

    assert [record.offset for record in records] == [3, 4]
    assert list(progress) == [Progress(first, 1, 5, 5)]
    assert list(source.idle()) == [Progress(first, 5, 5, 5)]


def test_a_batch_that_was_not_stored_shows_in_the_progress_of_the_next(log: Log) -> None:
    first = log.partitions[0]
    log.write(0, [b"%d" % number for number in range(RECORD_LIMIT + 5)])
    source = log.source()
    assigned(source, 4)
    source.place({first: 0})

    unstored, following = polled(source), polled(source)

    assert (len(unstored), len(following)) == (RECORD_LIMIT, 5)
    assert list(source.progress(following)) == [Progress(first, 10, 15, 15)]
    assert list(source.idle()) == [Progress(first, 0, 0, 15)]


def test_rewinding_reads_the_same_records_again(log: Log) -> None:
    log.write(0, [b"%d" % number for number in range(RECORD_LIMIT + 5)])
    source = log.source()
    everything = assigned(source, 4)
    source.place(dict.fromkeys(everything, 0))
    before = polled(source)

    source.rewind()
    unplaced = source.unplaced()
    while_unplaced = source.poll(0.2)
    source.place({log.partitions[0]: 0})
    after = polled(source)

    assert list(source.progress(before)) == [Progress(log.partitions[0], 0, RECORD_LIMIT, 15)]
    assert (list(unplaced), list(while_unplaced)) == (list(everything), [])
    assert (after, len(after)) == (before, RECORD_LIMIT)


def test_a_batch_is_bounded_in_bytes_and_a_larger_record_comes_alone(log: Log) -> None:
    small, large = b"s" * 30_000, b"l" * 250_000
    log.write(0, [small, small, small, small, large, small])
    source = log.source()
    assigned(source, 4)
    source.place({log.partitions[0]: 0})

    batches: list[list[int]] = []
    reach(
        lambda: sum(map(len, batches)) == 6,
        lambda: batches.append([len(record.value) for record in source.poll(0.1)]),
    )

    assert max(sum(sizes) for sizes in batches if sizes != [250_000]) <= BYTE_LIMIT
    assert [250_000] in batches
    assert [size for sizes in batches for size in sizes] == [30_000] * 4 + [250_000, 30_000]


def test_an_offset_below_retention_raises_with_both_numbers(log: Log) -> None:
    first = log.partitions[0]
    log.write(0, [b"%d" % number for number in range(8)])
    log.delete_before(0, 5)
    source = log.source()
    assigned(source, 4)
    source.place({first: 2})

    with pytest.raises(OffsetsExpired, match="offset 2 is to be read next, but the log begins at 5: 3 offsets") as gap:
        polled(source)
    unplaced = source.unplaced()
    beginning = source.beginning(first)
    source.place({first: beginning})

    assert (gap.value.partition, gap.value.expected, gap.value.earliest) == (first, 2, 5)
    assert (first in unplaced, beginning) == (True, 5)
    assert [record.offset for record in polled(source)] == [5, 6, 7]


def test_an_offset_behind_the_end_raises_too(log: Log) -> None:
    log.write(0, [b"0"])
    source = log.source()
    assigned(source, 4)
    source.place({log.partitions[0]: 9})

    with pytest.raises(OffsetsExpired, match="the log ends before it and begins at 0") as gap:
        polled(source)

    assert (gap.value.expected, gap.value.earliest) == (9, 0)


def test_two_sources_share_the_partitions_and_a_closed_one_hands_over(log: Log) -> None:
    keeper = Keeper()
    first = log.source()
    keeper.run(first, until=lambda: len(keeper.positions) == 4)
    second = log.source()
    keeper.run(first, second, until=lambda: len(first.idle()) == len(second.idle()) == 2)
    shares = [{each.partition for each in source.idle()} for source in (first, second)]

    for number in range(4):
        log.write(number, [b"%d" % number])
    keeper.run(first, second, until=lambda: len(keeper.records) == 4)
    first.close()
    keeper.run(second, until=lambda: len(second.idle()) == 4)
    log.write(0, [b"again"])
    keeper.run(second, until=lambda: len(keeper.records) == 5)
    if isinstance(log, InKafka):
        log.opened.pop(0)

    assert shares[0] | shares[1] == set(log.partitions)
    assert not shares[0] & shares[1]
    assert sorted(keeper.values()) == [b"0", b"1", b"2", b"3", b"again"]


def test_records_of_a_partition_given_up_are_not_returned(log: Log) -> None:
    for number in range(4):
        log.write(number, [b"x" * 30_000] * 8)  # a batch takes three, so that some wait inside the source
    first = log.source()
    first.place(dict.fromkeys(assigned(first, 4), 0))
    before = polled(first)
    second = log.source()
    reach(lambda: len(first.unplaced()) == 2, lambda: (first.poll(0.1), second.poll(0.1)))

    kept = first.unplaced()
    first.place(dict.fromkeys(log.partitions, 0))
    after: list[Record] = []
    reach(lambda: len(after) >= 16, lambda: (after.extend(first.poll(0.1)), second.poll(0)))

    assert len(before) > 0
    assert {record.partition for record in after} == set(kept)
    assert len(after) == 16
    assert {each.partition for each in first.progress([*before, *after])} == set(kept)


def test_an_end_not_reached_yet_is_no_idleness(log: Log) -> None:
    first = log.partitions[0]
    source = log.source()
    assigned(source, 4)
    source.place({first: 0})
    reach(lambda: len(source.idle()) == 1, lambda: source.poll(0.1))
    empty = source.idle()

    log.write(0, [b"0"])
    records = polled(source)
    while_unstored = source.idle()
    source.stored(source.progress(records))

    assert list(empty) == [Progress(first, 0, 0, 0)]
    assert list(while_unstored) == [Progress(first, 0, 0, 1)]
    assert list(source.idle()) == [Progress(first, 1, 1, 1)]
