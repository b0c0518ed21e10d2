"""Log lines: a JSON object each, or text for people."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, assert_never

import msgspec

from monitor.events import (
    AlertChanged,
    Attempted,
    Away,
    Back,
    BaselineActivated,
    BatchScored,
    BatchStored,
    CanaryAnswered,
    CertificateVoid,
    Event,
    FeedbackStored,
    Generated,
    GenerationFailed,
    GuardChecked,
    LaggedLearned,
    OffsetsLost,
    OwnershipLost,
    PanesJudged,
    PartitionsPlaced,
    RoleEnded,
    SegmentsLeftOut,
    Started,
    Stopped,
)


def level_of(event: Event) -> int:
    """How loud an event is logged: what comes with every batch is for who looks for it."""
    match event:
        case BatchStored(rejects=rejects) | FeedbackStored(rejects=rejects):
            return logging.INFO if rejects else logging.DEBUG
        case BatchScored() | GuardChecked() | Generated():
            return logging.DEBUG
        case CanaryAnswered(status=status):
            return logging.DEBUG if status == "ok" else logging.WARNING
        case PanesJudged(drifted=drifted):
            return logging.INFO if drifted else logging.DEBUG
        case Away() | OwnershipLost() | RoleEnded() | CertificateVoid() | SegmentsLeftOut():
            return logging.WARNING
        case OffsetsLost() | GenerationFailed():
            return logging.ERROR
        case Attempted(outcome=outcome):
            return logging.INFO if outcome == "delivered" else logging.WARNING
        case (
            Started() | Stopped() | PartitionsPlaced() | Back() | BaselineActivated() | LaggedLearned() | AlertChanged()
        ):
            return logging.INFO
        case _:
            assert_never(event)


def snake_case(name: str) -> str:
    """The name of an event's type as it is logged.

    >>> snake_case("BatchStored")
    'batch_stored'
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class JsonLines(logging.Formatter):
    """One JSON object on each line; the fields of an event stand beside its name."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        head = {"at": instant(record), "level": record.levelname.lower(), "process": self._role}
        values = getattr(record, "values", None)
        if values is not None:
            told: Mapping[str, Any] = {"event": record.msg, **values}
        else:
            told = {"event": "log", "logger": record.name, "message": record.getMessage()}
        trouble = {"exception": self.formatException(record.exc_info)} if record.exc_info else {}
        return msgspec.json.encode({**head, **told, **trouble}, enc_hook=str).decode()


class PlainLines(logging.Formatter):
    """A line for people: time, role, what happened."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        values = getattr(record, "values", None)
        if values is None:
            text = f"{record.name}: {record.getMessage()}"
        else:
            told = [f"{name}={plain(value)}" for name, value in values.items() if value not in (None, "")]
            text = " ".join([record.getMessage().replace("_", " "), *told])
        mark = "" if record.levelno < logging.WARNING else f"{record.levelname} "
        trouble = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return f"{instant(record)[11:19]} {self._role}: {mark}{text}{trouble}"


def plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()


def instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
