"""What every per-trace score returns."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Status = Literal["ok", "abstained", "insufficient_input", "error"]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of an answer, held against its context.

    Attributes:
        span: its offsets.
        value: probability that something in it is unsupported.
        passage: number, from 0, of the passage whose sentence at ``evidence`` holds most of it.
        novel: offsets of the content words that neither a passage nor the question holds.
    """

    span: Span
    value: float
    passage: int
    evidence: Span
    novel: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """A value from 0 (good) to 1 (bad), or none with the reason why; never NaN.

    Attributes:
        value: present if and only if the status is ``ok``.
        reason: why there is no value; names what was missing or wrong.
        spans: character offsets ``[start, end)`` into the answer that carry the value, in order.
        claims: the sentences of the answer with their evidence, where the score tells that.
    """

    value: float | None
    status: Status
    reason: str | None = None
    spans: tuple[Span, ...] = ()
    claims: tuple[Claim, ...] = ()

    def __post_init__(self) -> None:
        if (self.value is None) == (self.status == "ok"):
            raise ValueError(f"a score has a value if and only if it is ok: value {self.value}, status {self.status}")
        if self.value is not None and not 0.0 <= self.value <= 1.0:
            raise ValueError(f"expected a score from 0 to 1, got {self.value}")


def ok(value: float, spans: tuple[Span, ...] = (), claims: tuple[Claim, ...] = ()) -> Score:
    """A measured score.

    >>> ok(0.25).value
    0.25
    """
    return Score(float(value), "ok", None, spans, claims) if value or spans or claims else ZERO


ZERO = Score(0.0, "ok")


# Of a batch many have no value for the same reason.
@lru_cache(maxsize=256)
def insufficient(reason: str) -> Score:
    """The trace lacks what this score needs."""
    return Score(None, "insufficient_input", reason)


@lru_cache(maxsize=256)
def abstained(reason: str) -> Score:
    """The answer makes no claim to measure."""
    return Score(None, "abstained", reason)


def failed(reason: str) -> Score:
    """What the trace holds cannot be right."""
    return Score(None, "error", reason)
