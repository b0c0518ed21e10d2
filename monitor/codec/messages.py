"""The body of an alert's message: JSON in the shape that Standard Webhooks recommends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from monitor.model.alert import Change


class AlertData(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as receivers see it; field names never change meaning. Times are UTC."""

    id: str
    fingerprint: str
    status: str
    labels: Mapping[str, str]
    onset: datetime
    fired_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    severity: str
    summary: str
    signals: Sequence[str]
    evidence: Mapping[str, Any]


class AlertMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope: what happened and when."""

    type: str
    timestamp: datetime
    data: AlertData


def alert_message(change: Change) -> bytes:
    """The same change gives the same bytes, whatever the order of its mappings; NaN and infinities become null."""
    alert = change.alert
    message = AlertMessage(
        type=change.happening,
        timestamp=change.at.astimezone(UTC),
        data=AlertData(
            id=alert.id,
            fingerprint=alert.fingerprint,
            status=alert.status,
            labels=alert.labels,
            onset=alert.onset.astimezone(UTC),
            fired_at=alert.fired_at.astimezone(UTC),
            resolved_at=alert.resolved_at and alert.resolved_at.astimezone(UTC),
            resolution=alert.resolution,
            severity=alert.severity,
            summary=alert.summary,
            signals=alert.signals,
            evidence=alert.evidence,
        ),
    )
    return msgspec.json.encode(message, order="deterministic", enc_hook=_plain)


def _plain(value: Any) -> Any:
    """What evidence may hold besides JSON's own types."""
    match value:
        case np.generic():
            return value.item()
        case np.ndarray():
            return value.tolist()
        case Mapping():
            return dict(value)
        case Sequence():
            return list(value)
        case _:
            raise NotImplementedError(f"evidence must be JSON, got a {type(value).__name__}")
