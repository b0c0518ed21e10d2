"""The consumer's side: records by partition, from where the store says on.

The group uses the range assignor, whose rebalances are eager: everything is given up, everything is handed out anew.
kafka-python's cooperative protocol is younger, needs a second rebalance for every partition that moves and keeps
positions over a rebalance, which would save us nothing: ours come from the store, and to seek costs one fetch.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError, LogTruncationError, OffsetOutOfRangeError

from monitor.errors import DriftwardenError, OffsetsExpired, Permanent, Transient
from monitor.events import Away, Back
from monitor.kafka.client import RECONNECT_MAX_MS, REQUEST_TIMEOUT_MS, opened, translated
from monitor.kafka.config import KafkaConfig
from monitor.kafka.topics import LARGEST_DEAD_LETTER, partition_count
from monitor.model.record import Partition, Progress, Record, span
from monitor.ports import Emit

OFFSETS_TIMEOUT_MS = 1_000
CLOSE_TIMEOUT_MS = 5_000


@dataclass(slots=True)
class Place:
    """Where one partition stands: ``stored`` is the next offset of the store, ``read`` the next one to hand out."""

    stored: int
    read: int
    first: int


class KafkaSource:
    """A member of a consumer group whose positions live in the store.

    Not for several threads. kafka-python calls the listener on its I/O thread, but only while this one waits inside
    ``poll`` or ``close``, so the two never touch these fields at once.
    """

    def __init__(self, config: KafkaConfig, *, emit: Emit) -> None:
        """Join the group's topic; the first partitions come with a later ``poll``.

        Raises:
            Transient: no broker answers.
            Permanent: the broker refuses us, has no such topic, or a package is missing.
        """
        if find_spec("crc32c") is None:
            raise Permanent("without the package crc32c records are read 17 times slower: install kafka-python[crc32c]")
        partition_count(config)
        self._config = config
        self._emit = emit
        self._unplaced: set[Partition] = set()
        self._placed: dict[Partition, Place] = {}
        self._pending: deque[Record] = deque()
        self._away = False
        self._consumer, self._network = opened(KafkaConsumer, config, **_options(config))
        self._consumer.subscribe([config.topic], listener=_Listener(self))
        self._learn_topic()

    def unplaced(self) -> Sequence[Partition]:
        return sorted(self._unplaced, key=lambda partition: partition.number)

    def place(self, positions: Mapping[Partition, int]) -> None:
        """Read these partitions from these offsets on; those not assigned any more are passed over."""
        for partition, offset in positions.items():
            if partition in self._unplaced or partition in self._placed:
                self._unplaced.discard(partition)
                self._drop_pending([partition])
                self._placed[partition] = Place(offset, offset, offset)
                self._consumer.seek(_native(partition), offset)
                self._consumer.resume(_native(partition))

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """The next records of placed partitions, bounded in number and bytes; keeps the membership alive.

        Call it at least every few minutes, also with nothing placed. A record larger than the bound comes alone.

        Raises:
            OffsetsExpired: the log does not hold the offset a partition was placed at; it is unplaced now.
            Permanent: the broker refuses us.
        """
        self._pending.extend(self._fetched(timeout_s))
        self._notice_outage()
        batch: list[Record] = []
        size = 0
        while self._pending and len(batch) < self._config.max_poll_records:
            size += self._pending[0].size
            if batch and size > self._config.max_poll_bytes:
                break
            batch.append(self._pending.popleft())
        for partition, last in {record.partition: record.offset for record in batch}.items():
            place = self._placed[partition]
            place.first, place.read = place.read, last + 1
        return batch

    def progress(self, records: Sequence[Record]) -> Sequence[Progress]:
        """What storing the records just polled amounts to; a batch left unstored shows as a gap the store refuses."""
        firsts = {partition: max(place.first, place.stored) for partition, place in self._placed.items()}
        ends = {partition: self._end(partition) or 0 for partition in firsts}
        return span([record for record in records if record.partition in firsts], ends, firsts)

    def stored(self, progress: Sequence[Progress]) -> None:
        """The progress is safe in the store; the group's offsets in Kafka follow, for lag tools only."""
        held = [each for each in progress if each.partition in self._placed]
        for each in held:
            self._placed[each.partition].stored = each.next
        offsets = {_native(each.partition): OffsetAndMetadata(each.next, "", -1) for each in held}
        try:
            self._consumer.commit_async(offsets, callback=_ignore)
        except KafkaError:
            return  # a lag tool sees the next one

    def rewind(self) -> None:
        """Every assigned partition is unplaced again, and nothing is read till it is placed."""
        self._pause(list(self._placed))

    def idle(self) -> Sequence[Progress]:
        """Position and end of every placed partition, for the watermark.

        A partition is left out while its end is not known: before the first answer to a fetch, and with Kafka away.
        """
        if self._away:
            return []
        found = []
        for partition, place in self._placed.items():
            end = self._end(partition)
            if end is not None:
                end = place.stored if self._drained(partition, place, end) else max(end, place.stored)
                found.append(Progress(partition, place.stored, place.stored, end))
        return found

    def beginning(self, partition: Partition) -> int:
        """Where a partition never read before is to begin: its first offset, or its end with ``start="latest"``.

        Raises:
            Transient: the broker does not say within a second.
        """
        return self._offset(partition, self._config.start)

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        self._consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS)

    def _learn_topic(self) -> None:
        # A refresh under way swallows the request for a new topic; who leads the group then hands out no partition for
        # a minute. So we ask until the topic is known before we join.
        until = time.monotonic() + self._config.connect_timeout_s
        while not self._network.cluster.partitions_for_topic(self._config.topic):
            if time.monotonic() > until:
                self.close()
                raise Transient(f"Kafka at {self._config.bootstrap_servers} does not describe {self._config.topic!r}")
            self._network.cluster.request_update()
            time.sleep(0.02)

    def _fetched(self, timeout_s: float) -> Iterable[Record]:
        # With records at hand this call is for the membership: it does not wait, and takes one record at most.
        wait_s, limit = (0.0, 1) if self._pending else (timeout_s, self._config.max_poll_records)
        try:
            polled = self._consumer.poll(timeout_ms=int(wait_s * 1_000), max_records=limit)
        except (OffsetOutOfRangeError, LogTruncationError) as error:
            raise self._expired(error) from error
        except KafkaError as error:
            failure = translated(error, self._config)
            if isinstance(failure, Permanent):
                raise failure from error
            time.sleep(min(wait_s, 0.1))  # the error may have come at once, and will again
            return []
        return [
            _record(Partition(native.topic, native.partition), message)
            for native, messages in polled.items()
            if Partition(native.topic, native.partition) in self._placed
            for message in messages
        ]

    def _notice_outage(self) -> None:
        """Emit one event when the brokers go away and one when they are back; a connection being made says nothing."""
        nodes = [broker.node_id for broker in self._network.cluster.brokers()]
        headless = [
            partition.number
            for partition in (*self._placed, *self._unplaced)
            if self._network.cluster.leader_for_partition(_native(partition)) == -1
        ]
        connected = any(self._network.connected(node) for node in nodes)
        refused = not connected and any(self._network.connection_delay(node) > 0 for node in nodes)
        if not self._away and (refused or headless):
            reason = f"no leader for partitions {headless}" if headless else "no broker answers"
            self._emit(Away("kafka", reason, RECONNECT_MAX_MS / 1_000))
            self._away = True
        elif self._away and connected and not headless:
            self._emit(Back("kafka"))
            self._away = False

    def _expired(self, error: OffsetOutOfRangeError | LogTruncationError) -> DriftwardenError:
        truncated = isinstance(error, LogTruncationError)
        native = next(iter(error.divergent_offsets if truncated else error.args[0]))
        partition = Partition(native.topic, native.partition)
        expected = self._placed[partition].read
        self._pause([partition])
        return OffsetsExpired(partition, expected, self._offset(partition, "earliest"))

    def _offset(self, partition: Partition, which: str) -> int:
        native = _native(partition)
        ask = self._consumer.beginning_offsets if which == "earliest" else self._consumer.end_offsets
        try:
            # After a change of leader kafka-python asks a thousand times a second till the time is over.
            return int(ask([native], timeout_ms=OFFSETS_TIMEOUT_MS)[native])
        except KafkaError as error:
            raise translated(error, self._config) from error

    def _end(self, partition: Partition) -> int | None:
        end: int | None = self._consumer.highwater(_native(partition))
        return end

    def _drained(self, partition: Partition, place: Place, end: int) -> bool:
        """True where no record is left before the end; the markers of transactions take offsets and are no records."""
        if place.read != place.stored or any(record.partition == partition for record in self._pending):
            return False
        try:
            return place.stored < end and bool(self._consumer.position(_native(partition), timeout_ms=0) >= end)
        except KafkaError:
            return False

    def _pause(self, partitions: Sequence[Partition]) -> None:
        self._consumer.pause(*map(_native, partitions))
        self._forget(partitions)
        self._unplaced.update(partitions)

    def _assigned(self, partitions: Sequence[Partition]) -> None:
        # A partition needs some position: without one kafka-python asks for a committed offset and raises when there
        # is none. Paused, it is not read from.
        for partition in partitions:
            self._consumer.seek(_native(partition), 0)
        self._pause(partitions)

    def _forget(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            self._placed.pop(partition, None)
            self._unplaced.discard(partition)
        self._drop_pending(partitions)

    def _drop_pending(self, partitions: Sequence[Partition]) -> None:
        self._pending = deque(record for record in self._pending if record.partition not in partitions)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Runs on the I/O thread, where whatever waits for an answer would wait for ever."""

    def __init__(self, source: KafkaSource) -> None:
        self._source = source

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._source._assigned([Partition(each.topic, each.partition) for each in assigned])

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._source._forget([Partition(each.topic, each.partition) for each in revoked])


def _options(config: KafkaConfig) -> dict[str, Any]:
    return {
        "group_id": config.group_id,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "allow_auto_create_topics": False,
        # Records of a transaction that was aborted are no traces.
        "isolation_level": "read_committed",
        "partition_assignment_strategy": [RangePartitionAssignor],
        "session_timeout_ms": int(config.session_timeout_s * 1_000),
        "heartbeat_interval_ms": min(3_000, int(config.session_timeout_s * 1_000 / 3)),
        "max_poll_records": config.max_poll_records,
        # In a session the broker leaves out partitions without news, and one that was lost and comes back has no known
        # end until its next record.
        "enable_incremental_fetch_sessions": False,
        # Both are soft: the first batch of an answer comes whole, whatever its size.
        "fetch_max_bytes": config.max_poll_bytes,
        "max_partition_fetch_bytes": LARGEST_DEAD_LETTER,
        "metadata_max_age_ms": 60_000,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
    }


def _native(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)


def _record(partition: Partition, message: Any) -> Record:
    headers = {name: value or b"" for name, value in message.headers}
    return Record(partition, message.offset, message.value or b"", headers, message.key)


def _ignore(offsets: object, outcome: object) -> None:
    """kafka-python would log a warning for each commit that a rebalance crossed."""
