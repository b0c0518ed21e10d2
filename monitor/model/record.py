"""What arrives and what is set aside: a record with its source, and a reject with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Reason = Literal[
    "too_large",
    "not_json",
    "wrong_type",
    "missing_field",
    "unknown_schema_version",
    "time_out_of_range",
    "bad_embedding",
    "empty",
    "unstorable",
]


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition of a topic; over HTTP the topic is ``http``."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes with the place they came from."""

    partition: Partition
    offset: int
    value: bytes
    headers: Mapping[str, bytes]
    key: bytes | None = None

    @property
    def size(self) -> int:
        return len(self.value)


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that can't become a trace, with its reason; it is kept, never dropped."""

    record: Record
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class StoredReject:
    """A reject as the database holds it."""

    id: int
    reject: Reject


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one partition was read: the next offset, and where its log ended when last seen."""

    partition: Partition
    first: int
    next: int
    end: int


@dataclass(frozen=True, slots=True)
class PartitionState:
    """What the store knows of a partition's reading; instants of the wall clock but ``event_time``.

    ``data_at`` is when it last gave records, ``resumed_at`` when it last did so after being quiet, ``seen_at`` when its
    reader last looked.
    """

    partition: Partition
    next: int
    end: int
    event_time: datetime | None
    data_at: datetime
    resumed_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets ``first`` to before ``resumed`` that the log no longer held when they were to be read."""

    partition: Partition
    first: int
    resumed: int
    noticed_at: datetime


def span(records: Sequence[Record], ends: Mapping[Partition, int], firsts: Mapping[Partition, int]) -> list[Progress]:
    """The progress that storing ``records`` makes; offsets may have gaps, so ``first`` is the position held before."""
    last: dict[Partition, int] = {}
    for record in records:
        last[record.partition] = max(last.get(record.partition, -1), record.offset)
    return [Progress(p, firsts[p], offset + 1, max(ends.get(p, 0), offset + 1)) for p, offset in last.items()]
