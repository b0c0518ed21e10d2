"""Errors answer one question: again or never? Their names are facts, not kinds of errors."""

from __future__ import annotations

from monitor.model.record import Partition


class DriftwardenError(Exception):
    """The base of what this program raises on purpose; its text is meant for a person."""


class Transient(DriftwardenError):
    """Try again: the database, the broker or a receiver is away."""


class Permanent(DriftwardenError):
    """Trying again will not help; a person must change something."""


class Fenced(DriftwardenError):
    """Another owner has moved this partition's offset: forget what was read and seek again."""


class Stale(DriftwardenError):
    """The baseline changed while the batch was scored: load it and add up again."""


class Repeated(DriftwardenError):
    """Some traces of the batch are stored already: take them out and try again."""


class Unstorable(DriftwardenError):
    """The database will not take these values, whatever we do."""


class OffsetsExpired(DriftwardenError):
    """The log holds other offsets than the one to be read next: records are gone unread, or the topic is a new one."""

    def __init__(self, partition: Partition, expected: int, earliest: int) -> None:
        where = f"{partition.topic}/{partition.number}"
        if earliest > expected:
            found = f"but the log begins at {earliest}: {earliest - expected} offsets were deleted unread"
        else:
            found = f"but the log ends before it and begins at {earliest}: the topic was truncated or created anew"
        super().__init__(f"{where}: offset {expected} is to be read next, {found}")
        self.partition = partition
        self.expected = expected
        self.earliest = earliest
