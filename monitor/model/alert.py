"""The alert: what a person is told, once per fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

Status = Literal["firing", "acknowledged", "resolved"]
Severity = Literal["info", "warning", "critical"]
# Why an alert ended: the drift (or what was wrong) is over, or a person accepted it as the new baseline.
Resolution = Literal["cleared", "accepted"]
Happening = Literal["alert.firing", "alert.updated", "alert.resolved"]

# The alert of a partition that nobody reads, one for all; and the kind of one of records that were gone unread.
STALLED = {"kind": "ingest_stalled", "segment": "all"}
OFFSET_GAP = "offset_gap"


def fingerprint(labels: Mapping[str, str]) -> str:
    """The same labels give the same fingerprint; ids and figures never enter it.

    >>> fingerprint({"kind": "drift", "segment": "all"}) == fingerprint({"segment": "all", "kind": "drift"})
    True
    """
    text = "\0".join(f"{label}\0{value}" for label, value in sorted(labels.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Alert:
    """An open or past alert; times are event time but for those ending in ``_at``, which are the judge's clock.

    ``severity`` of a drift is the highest it has had (``monitor.severity``). ``paged`` tells whether people hear of it:
    not while an alert of all traffic says the same, nor of a drift that is laid to traffic alone.
    """

    id: str
    labels: Mapping[str, str]
    status: Status
    onset: datetime
    fired_at: datetime
    summary: str
    signals: Sequence[str]
    evidence: Mapping[str, Any]
    inhibited_by: str | None = None
    resolved_at: datetime | None = None
    severity: Severity = "warning"
    resolution: Resolution | None = None
    paged: bool = True

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.labels)

    @property
    def open(self) -> bool:
        return self.status != "resolved"

    def resolved(self, at: datetime, resolution: Resolution = "cleared") -> Alert:
        return replace(self, status="resolved", resolved_at=at, resolution=resolution)


@dataclass(frozen=True, slots=True)
class Change:
    """A transition of an alert; ``notify`` tells whether anyone hears of it."""

    happening: Happening
    alert: Alert
    at: datetime

    @property
    def notify(self) -> bool:
        return self.alert.paged and self.happening != "alert.updated"


@dataclass(frozen=True, slots=True)
class Message:
    """A change on its way to one endpoint: the id is the same at every attempt, the payload too."""

    id: str
    endpoint: str
    fingerprint: str
    payload: bytes
    attempts: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver took it (2xx)."""

    status: int


@dataclass(frozen=True, slots=True)
class Retry:
    """Again later; ``after_s`` is what the receiver asked for, if it did."""

    reason: str
    status: int | None = None
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Never again: ``gone`` disables the endpoint (410)."""

    reason: str
    status: int | None = None
    gone: bool = False


Outcome = Delivered | Retry | Refused
