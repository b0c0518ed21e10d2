"""What the handlers stand on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np

from monitor.model.check import CheckRequest
from monitor.model.exchange import Exchange
from monitor.model.generation import Choice, Job, Told
from monitor.model.trace import Logprobs
from monitor.ports import Check, Clock, Emit, Seconds
from monitor.serving import Scheduling, Span, StreamCheck

Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Limits:
    """``slots`` is the most choices of a request, ``length`` the most tokens of prompt and answer together."""

    slots: int
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class Tracing:
    """Which exchanges are traced, and which of those get samples for self-consistency.

    Attributes:
        record: takes an exchange and never waits.
        rate: share of exchanges that are traced.
        sampled: share of the traced ones that get samples.
        samples: how many, as far as there is room when the request begins.
        temperature: of the samples.
    """

    record: Callable[[Exchange], None]
    rate: float = 1.0
    sampled: float = 0.0
    samples: int = 5
    temperature: float = 1.0
    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def drawn(self) -> tuple[bool, int]:
        """Whether the next exchange is traced, and its samples."""
        traced = self.rate >= 1 or self.rng.random() < self.rate
        return traced, self.samples if traced and self.sampled and self.rng.random() < self.sampled else 0


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """One model, and all that a request to it passes.

    Attributes:
        model: the name it is served under.
        build: the deployment, as it stands in ``v_builds``.
        spelt: the bytes of each token.
        render: messages and documents to a prompt; raises ValueError where it can't.
        encode: a text to tokens; the flag adds those that the tokenizer puts around a text.
        check: the guard, before the model is asked and before an answer is given; None for none.
        stream_check: the guard on an answer that is streamed.
        columns: the log-probabilities of an answer that has ended, for the guard.
        pool: where the guard is asked.
        feedback: takes feedback as it came, with the id of its trace; None where it can't go anywhere.
    """

    model: str
    build: str
    created: int
    limits: Limits
    spelt: Sequence[bytes]
    render: Callable[[Messages, Messages], str]
    encode: Callable[[str, bool], list[int]]
    scheduler: Scheduling
    tracing: Tracing
    feedback: Callable[[str, bytes], None] | None
    span: Callable[[str, str, str], Span]
    clock: Clock
    timer: Seconds
    emit: Emit
    pool: Executor
    check: Check | None = None
    stream_check: Callable[[CheckRequest], StreamCheck] | None = None
    columns: Callable[[Choice], Logprobs] | None = None

    def logprobs(self, choice: Choice) -> Logprobs | None:
        """What the guard is told of an answer's tokens."""
        return self.columns(choice) if self.columns is not None and choice.ids else None


class Post:
    """Carries what the scheduler's thread tells to the handlers' event loop: once a step, not once a row."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None

    def __call__(self, told: Sequence[tuple[Job, Told]]) -> None:
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(spread, list(told))

    def mailbox(self) -> asyncio.Queue[Told | None]:
        """Where one request listens; None in it says that the client has gone."""
        self.loop = asyncio.get_running_loop()
        return asyncio.Queue()


def spread(told: Sequence[tuple[Job, Told]]) -> None:
    for job, each in told:
        job.mailbox.put_nowait(each)
