"""Canaries: golden prompts, what an endpoint said to them, and how that stands beside its reference."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from detectors.canary import Marks, Watch
from detectors.shift import Position
from monitor.model.alert import Alert

Sent = Literal["ok", "away", "timeout", "busy", "refused", "unreadable"]
"""What became of a request: answered; no connection or HTTP 5xx; late; HTTP 429; another status; no chat completion."""

MOST_CHARACTERS = 32_000
MOST_NAME = 200


class Turn(msgspec.Struct, frozen=True):
    """A message that is sent."""

    role: str
    content: str


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """A golden prompt: what is asked, the passages beside it, and the answers that are right.

    ``max_tokens`` is of its answer; None for that of the settings.
    """

    name: str
    messages: tuple[Turn, ...]
    context: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    max_tokens: int | None = None

    @property
    def digest(self) -> str:
        """Equal for two with the same content, whatever their names: answers are compared within a digest."""
        content = (self.messages, self.context, self.expected, self.max_tokens)
        return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:16]

    @property
    def prompt(self) -> str:
        """The last thing that is said."""
        return self.messages[-1].content


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; ``reason`` says why there is no answer, or what it lacks.

    Attributes:
        positions: of its first tokens, with the most likely tokens there.
        build: the ``system_fingerprint`` of the endpoint, where it tells one.
        after_s: how long the endpoint asks to be left alone.
    """

    status: Sent
    reason: str | None = None
    text: str = ""
    finish: str | None = None
    positions: Sequence[Position] = ()
    build: str | None = None
    model: str | None = None
    latency_s: float | None = None
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """An answer beside the right ones, the nearest counting: 1 is as good as can be (SQuAD's match and F1, ROUGE-L)."""

    exact: bool
    f1: float
    rouge_l: float


@dataclass(frozen=True, slots=True)
class Told:
    """An answer as it is kept: with what it is compared by.

    Attributes:
        pinned: it is one of the reference's repetitions.
        quality: None where no right answer is known, or none came.
        first_shift: distance of the first token to the reference's in nats; None where nothing was compared.
        shift: the mean over the positions that can be compared.
        changed: whether the text is another than the reference's.
        worse: by how much F1 is below the reference's, 0 where it is not.
        marks: what the tests were given.
    """

    canary: str
    digest: str
    at: datetime
    answer: Answer
    pinned: bool = False
    quality: Quality | None = None
    first_shift: float | None = None
    shift: float | None = None
    changed: bool | None = None
    worse: float | None = None
    marks: Marks | None = None


@dataclass(frozen=True, slots=True)
class Pin:
    """A reference of a target: ``repeats`` answers to each prompt from its beginning on, and the test against them.

    Attributes:
        target: what is watched, whatever its address.
        build: what the endpoint called its build when it was pinned.
        log_threshold: ``−ln α``.
        since: when the reported change began.
    """

    id: int
    target: str
    repeats: int
    begun_at: datetime
    watch: Watch
    build: str | None = None
    log_threshold: float = 0.0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a target stands for one prompt, under lock.

    Attributes:
        reference: the first of the reference's answers to the prompt; None before it.
        repetitions: how many answers to it the reference has.
        usable: whether some prompt has all of them.
        prompts: how many golden prompts there are.
        alert: the open alert about the target.
        drifts: open alerts about drift.
    """

    pin: Pin
    reference: Told | None
    repetitions: int
    usable: bool
    prompts: int
    alert: Alert | None
    drifts: Sequence[Alert] = ()


def labels_of(target: str) -> dict[str, str]:
    """The labels of the alert about a target."""
    return {"kind": "canary", "segment": f"canary={target}"}
