"""What a worker asks of the world: a decoder, a scheduler, a check while it streams, a span."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from monitor.events import Generated
from monitor.model.check import Decision
from monitor.model.generation import Ask, Draw, Job, Step
from monitor.model.trace import Logprobs


class Decoder(Protocol):
    """A language model with rows under way, at most ``slots``; used by one thread."""

    @property
    def slots(self) -> int: ...
    def prompt(self, ids: Sequence[int], draw: Draw) -> Step:
        """Read a prompt once and add a row for each element of ``draw``; they all begin with it."""

    def step(self, tokens: Sequence[int], draw: Draw) -> Step:
        """Read one token of each row."""

    def keep(self, rows: Collection[int]) -> list[int]:
        """Drop all other rows; the list says which old row each new one is."""


class Scheduling(Protocol):
    """Takes asks and tells their mailboxes what comes of them."""

    def submit(self, ask: Ask, mailbox: object) -> Job | None:
        """Put an ask in the queue; None where it is full."""

    def cancel(self, job: Job) -> None:
        """Nobody waits for it any more."""

    def retry_after_s(self) -> int:
        """When the queue may have room again."""


class Released(Protocol):
    """What may be given out of an answer now; ``stopped`` holds the decision that ends it."""

    @property
    def text(self) -> str: ...
    @property
    def stopped(self) -> Decision | None: ...


class StreamCheck(Protocol):
    """Checks one answer while it is written."""

    decisions: list[Decision]

    def feed(self, piece: str) -> Released:
        """Takes the next piece."""

    def finish(self, finish_reason: str | None, logprobs: Logprobs | None) -> Released:
        """Checks the whole answer and gives out the rest."""


class Span(Protocol):
    """The span of one request: its ids in hexadecimal, and its end."""

    @property
    def trace_id(self) -> str: ...
    @property
    def span_id(self) -> str: ...
    @property
    def parent_span_id(self) -> str | None: ...
    def end(self, event: Generated, response_id: str, finish_reasons: tuple[str, ...]) -> None: ...
