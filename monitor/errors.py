"""Errors answer one question: again or never?"""

from __future__ import annotations


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
