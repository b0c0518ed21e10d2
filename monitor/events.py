"""What happened, as typed events; ``monitor.telemetry`` turns them into logs and metrics, and nothing else does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Started:
    role: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Stopped:
    role: str


@dataclass(frozen=True, slots=True)
class RoleEnded:
    """A role's process died; it is started again after a wait."""

    role: str
    code: int
    again_in_s: float


@dataclass(frozen=True, slots=True)
class BatchStored:
    """Counts of one transaction and the seconds each stage took."""

    traces: int
    repeats: int
    rejects: Counter[str]
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BatchScored:
    """Seconds that each score took on a batch, and of how many traces it had which status."""

    seconds: dict[str, float]
    statuses: dict[str, Counter[str]]


@dataclass(frozen=True, slots=True)
class FeedbackStored:
    """What became of a batch of feedback."""

    opinions: int
    repeats: int
    rejects: Counter[str]


@dataclass(frozen=True, slots=True)
class PartitionsPlaced:
    positions: dict[str, int]


@dataclass(frozen=True, slots=True)
class OwnershipLost:
    """Another consumer holds the partition; what was read is read again by its owner."""

    reason: str


@dataclass(frozen=True, slots=True)
class Away:
    """Something we need is away; we try again."""

    what: str
    reason: str
    again_in_s: float


@dataclass(frozen=True, slots=True)
class Back:
    what: str


@dataclass(frozen=True, slots=True)
class OffsetsLost:
    """The broker no longer holds records that were never read: the gap is recorded and alerted on."""

    partition: str
    expected: int
    earliest: int


@dataclass(frozen=True, slots=True)
class BaselineActivated:
    version: int
    source: str
    traces: int
    segments: int


@dataclass(frozen=True, slots=True)
class LaggedLearned:
    baseline: int
    source: str
    traces: int
    segments: int


@dataclass(frozen=True, slots=True)
class SegmentsLeftOut:
    """More segments than are watched by themselves: this one, and ``segments`` in all, are part of all traffic only."""

    baseline: int
    segment: str
    segments: int
    limit: int
    setting: str = "drift.segment_limit"


@dataclass(frozen=True, slots=True)
class PanesJudged:
    segment: str
    panes: int
    traces: float
    drifted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlertChanged:
    happening: str
    labels: dict[str, str]
    summary: str
    onset: datetime


@dataclass(frozen=True, slots=True)
class Attempted:
    """One attempt to deliver a message."""

    endpoint: str
    message: str
    outcome: str
    status: int | None
    attempt: int


@dataclass(frozen=True, slots=True)
class GuardChecked:
    """One exchange was checked: the rules that fired with their modes, and those that were not measured."""

    policy: str
    stage: str
    verdict: str
    latency_s: float
    fired: tuple[tuple[str, str], ...]
    missed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CertificateVoid:
    """A rule's threshold rests on a promise that does not hold while its score drifts."""

    rule: str
    certificate: str
    alert: str


@dataclass(frozen=True, slots=True)
class GenerationFailed:
    """The model failed in a step; the requests it was working on were told so."""

    requests: int
    reason: str


@dataclass(frozen=True, slots=True)
class Generated:
    """One request to the worker was answered; ``error`` names what went wrong. Seconds that are not known are None."""

    operation: str
    requested: str
    model: str
    error: str | None
    streamed: bool
    seconds: float
    first_token_s: float | None
    token_s: float | None
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class CanaryAnswered:
    """A golden prompt was sent; ``log_e`` is the evidence of a change after it, None where nothing was compared."""

    target: str
    canary: str
    status: str
    reason: str | None
    log_e: float | None


Event = (
    Started
    | Stopped
    | RoleEnded
    | BatchScored
    | BatchStored
    | FeedbackStored
    | PartitionsPlaced
    | OwnershipLost
    | Away
    | Back
    | OffsetsLost
    | BaselineActivated
    | LaggedLearned
    | SegmentsLeftOut
    | PanesJudged
    | AlertChanged
    | Attempted
    | GuardChecked
    | CanaryAnswered
    | CertificateVoid
    | Generated
    | GenerationFailed
)
