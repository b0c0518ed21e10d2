"""What people said of an answer, and whether it says that the answer was bad."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from detectors.calibration import Calibration
from monitor.model.trace import Id, Instant, Name, Trace

FeedbackKind = Literal["thumb", "rating", "correction", "label"]

BAD = frozenset({"down", "bad", "wrong", "incorrect", "hallucinated", "hallucination", "unsupported"})
GOOD = frozenset({"up", "good", "ok", "right", "correct", "grounded", "supported"})


class FeedbackRecord(Struct, frozen=True, gc=False, omit_defaults=True):
    """Feedback on its own, as topic, API and file bring it: ``id`` and ``tenant`` are those of the trace.

    ``value`` is up or down for a thumb, 1 to 5 for a rating, the better answer for a correction, and for a label good
    or bad, or an object with ``bad``.
    """

    id: Id
    kind: FeedbackKind
    value: Any = None
    tenant: Name = ""
    comment: str | None = None
    source: Name = ""
    time: Instant | None = None
    schema_version: str = "1.0"


@dataclass(frozen=True, slots=True)
class Opinion:
    """Feedback as it is kept; ``bad`` is None where it does not say."""

    tenant: str
    id: str
    at: datetime
    kind: FeedbackKind
    value: Any
    comment: str | None
    source: str
    bad: bool | None


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Traces that people called good or bad, in an order that says nothing: values of each score, and the labels.

    Attributes:
        values: per score ``(n,)``, NaN where a trace has none.
        bad: ``(n,)``.
    """

    values: Mapping[str, NDArray[np.float64]]
    bad: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A calibration and how well it holds on labels it was not fitted to: its expected error, before and after."""

    score: str
    calibration: Calibration
    error_before: float
    error: float
    brier: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """A promise about answers below a threshold; see ``detectors.guarantee``."""

    score: str
    promise: Literal["missed", "clean"]
    level: float
    delta: float | None
    threshold: float
    labels: int
    bad: int
    flagged: float


def opinion(record: FeedbackRecord, received_at: datetime) -> Opinion:
    """Feedback without a time is of when it came."""
    return Opinion(
        record.tenant, record.id, record.time or received_at, record.kind, record.value, record.comment,
        record.source, says_bad(record.kind, record.value),
    )  # fmt: skip


def opinions_of(traces: Iterable[Trace]) -> list[Opinion]:
    """The feedback that came within traces; without a time it is of the trace's."""
    return [
        Opinion(
            trace.tenant, trace.id, said.time or trace.time, said.kind, said.value, said.comment, said.source or "",
            says_bad(said.kind, said.value),
        )
        for trace in traces
        if trace.feedback
        for said in trace.feedback
    ]  # fmt: skip


def says_bad(kind: FeedbackKind, value: Any) -> bool | None:
    """True for bad, False for good, None where it can't be told: a rating of 3, a label that is something else.

    >>> [says_bad("thumb", "down"), says_bad("rating", 5), says_bad("label", {"bad": True}), says_bad("rating", 3)]
    [True, False, True, None]
    """
    match kind:
        case "correction":
            return True
        case "rating":
            plain = isinstance(value, int | float) and not isinstance(value, bool)
            return None if not plain or value == 3 else bool(value < 3)
        case "label" if isinstance(value, dict):
            told = value.get("bad")
            return told if isinstance(told, bool) else None
        case _:
            word = str(value).strip().lower()
            return True if word in BAD else False if word in GOOD else None
