"""A log of records, its readers and its writers, in memory."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import islice

from monitor.errors import OffsetsExpired, Transient
from monitor.model.record import Partition, Progress, Record, Reject, span


class MemoryLog:
    """One topic: records by partition, whose offsets may have gaps; open sources share the partitions in ranges."""

    def __init__(self, topic: str = "llm.traces.v1", *, partitions: int = 1) -> None:
        self.partitions = [Partition(topic, number) for number in range(partitions)]
        self.generation = 0
        self._records: dict[Partition, list[Record]] = {partition: [] for partition in self.partitions}
        self._begins = dict.fromkeys(self.partitions, 0)
        self._ends = dict.fromkeys(self.partitions, 0)
        self._members: list[MemorySource] = []

    def append(
        self, number: int, value: bytes, *, key: bytes | None = None, headers: Mapping[str, bytes] | None = None
    ) -> int:
        """Write one record; its offset."""
        partition = self.partitions[number]
        offset = self._ends[partition]
        self._records[partition].append(Record(partition, offset, value, dict(headers or {}), key))
        self._ends[partition] += 1
        return offset

    def skip(self, number: int, offsets: int) -> None:
        """Use up offsets without a record, as markers of transactions and compaction do."""
        self._ends[self.partitions[number]] += offsets

    def delete_before(self, number: int, offset: int) -> None:
        """What retention does."""
        partition = self.partitions[number]
        self._begins[partition] = max(self._begins[partition], offset)
        self._records[partition] = [record for record in self._records[partition] if record.offset >= offset]

    def beginning(self, partition: Partition) -> int:
        return self._begins[partition]

    def end(self, partition: Partition) -> int:
        return self._ends[partition]

    def since(self, partition: Partition, offset: int, limit: int) -> list[Record]:
        """Up to ``limit`` records from an offset on."""
        return list(islice((record for record in self._records[partition] if record.offset >= offset), limit))

    def join(self, member: MemorySource) -> None:
        self._members.append(member)
        self.generation += 1

    def leave(self, member: MemorySource) -> None:
        self._members.remove(member)
        self.generation += 1

    def share(self, member: MemorySource) -> list[Partition]:
        """The range of partitions that a member owns."""
        place, members, count = self._members.index(member), len(self._members), len(self.partitions)
        return self.partitions[place * count // members : (place + 1) * count // members]


class MemorySource:
    """A reader of a ``MemoryLog``; sources of one log are one group, and see a change of it when they poll."""

    def __init__(self, log: MemoryLog, *, max_records: int = 1_000, max_bytes: int = 16 * 2**20) -> None:
        self._log = log
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._generation = -1
        self._unplaced: set[Partition] = set()
        self._stored: dict[Partition, int] = {}
        self._read: dict[Partition, int] = {}
        self._firsts: dict[Partition, int] = {}
        log.join(self)

    def unplaced(self) -> Sequence[Partition]:
        return sorted(self._unplaced, key=lambda partition: partition.number)

    def place(self, positions: Mapping[Partition, int]) -> None:
        for partition, offset in positions.items():
            if partition in self._unplaced or partition in self._stored:
                self._unplaced.discard(partition)
                self._stored[partition] = self._read[partition] = self._firsts[partition] = offset

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """The next records; with none there it waits a little, as a broker would, so that a loop does not spin."""
        self._rebalance()
        batch: list[Record] = []
        size = 0
        for partition, position in list(self._read.items()):
            if not self._log.beginning(partition) <= position <= self._log.end(partition):
                if batch:
                    break
                self._unplace([partition])
                raise OffsetsExpired(partition, position, self._log.beginning(partition))
            for record in self._log.since(partition, position, self._max_records - len(batch)):
                if batch and size + record.size > self._max_bytes:
                    return batch
                if partition not in {each.partition for each in batch}:
                    self._firsts[partition] = position
                batch.append(record)
                size += record.size
                self._read[partition] = record.offset + 1
        if not batch:
            time.sleep(min(timeout_s, 0.001))
        return batch

    def progress(self, records: Sequence[Record]) -> Sequence[Progress]:
        firsts = {partition: max(self._firsts[partition], stored) for partition, stored in self._stored.items()}
        ends = {partition: self._log.end(partition) for partition in firsts}
        return span([record for record in records if record.partition in firsts], ends, firsts)

    def stored(self, progress: Sequence[Progress]) -> None:
        for each in progress:
            if each.partition in self._stored:
                self._stored[each.partition] = each.next

    def rewind(self) -> None:
        self._unplace(list(self._stored))

    def idle(self) -> Sequence[Progress]:
        found = []
        for partition, stored in self._stored.items():
            drained = self._read[partition] == stored and not self._log.since(partition, stored, 1)
            found.append(Progress(partition, stored, stored, stored if drained else self._log.end(partition)))
        return found

    def beginning(self, partition: Partition) -> int:
        return self._log.beginning(partition)

    def close(self) -> None:
        self._log.leave(self)

    def _rebalance(self) -> None:
        if self._generation != self._log.generation:
            self._generation = self._log.generation
            self._unplace(list(self._stored))
            self._unplaced = set(self._log.share(self))

    def _unplace(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            del self._stored[partition], self._read[partition], self._firsts[partition]
        self._unplaced.update(partitions)


class MemorySink:
    """Keeps what it is sent; ``away`` makes it fail as a broker that is away does."""

    def __init__(self) -> None:
        self.away = False
        self.published: list[tuple[bytes | None, bytes, Mapping[str, bytes]]] = []
        self._queued: list[tuple[bytes | None, bytes, Mapping[str, bytes]]] = []

    def send(self, key: bytes | None, value: bytes, headers: Mapping[str, bytes]) -> None:
        self._queued.append((key, value, dict(headers)))

    def flush(self) -> None:
        queued, self._queued = self._queued, []
        if self.away:
            raise Transient("the sink is away")
        self.published.extend(queued)

    def close(self) -> None:
        self._queued.clear()


class MemoryDeadLetters:
    """Keeps the rejects it is sent; ``away`` makes it fail as a broker that is away does."""

    def __init__(self) -> None:
        self.away = False
        self.published: list[Reject] = []

    def send(self, rejects: Sequence[Reject]) -> None:
        if self.away:
            raise Transient("the dead-letter topic is away")
        self.published.extend(rejects)
