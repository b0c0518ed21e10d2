"""What a language model is asked, what its steps say, and the answers that come of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Finish: TypeAlias = Literal["stop", "length", "content_filter", "error"]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What a run of a decoder says of its rows: a token each, raw log-probabilities in nats, entropy, the best k.

    Attributes:
        token: ``(r,)``, greedy or drawn as the row asked.
        logprob: ``(r,)``.
        entropy: ``(r,)``, of the whole vocabulary.
        top_ids: ``(r, k)``, best first.
        top_logprobs: ``(r, k)``.
        whole: ``(r, v)`` log-probabilities, where they were asked for.
    """

    token: NDArray[np.int64]
    logprob: NDArray[np.float32]
    entropy: NDArray[np.float32]
    top_ids: NDArray[np.int64]
    top_logprobs: NDArray[np.float32]
    whole: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """How each row's next token is chosen: ``temperature (r,)``, 0 for the best; ``uniform (r,)`` in [0, 1)."""

    temperature: NDArray[np.float32]
    uniform: NDArray[np.float32]
    whole: bool = False

    @classmethod
    def greedy(cls, rows: int) -> Self:
        return cls(np.zeros(rows, np.float32), np.zeros(rows, np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """A prompt and how it is to be continued.

    Attributes:
        prompt: token ids.
        choices: answers wanted; they share the reading of the prompt.
        most_tokens: of an answer.
        temperature: 0 for the most probable token.
        top_p: tokens are drawn among the most probable ones that have this mass together.
        seed: the same for the same answers, whatever else runs; None for any.
        stop: texts that end an answer and are no part of it.
        streams: whether text is told as it comes.
        samples: further answers for the trace alone, as many as there is room for, at ``sample_temperature``.
    """

    prompt: Sequence[int]
    choices: int = 1
    most_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    streams: bool = False
    samples: int = 0
    sample_temperature: float = 1.0


class Best:
    """The most probable tokens at each place of an answer, best first; ``len`` counts the places.

    Arrays double as they fill: a place costs two copies of k numbers, and a whole answer is read in one.
    """

    __slots__ = ("_count", "_ids", "_logprobs")

    def __init__(self) -> None:
        self._count = 0
        self._ids: NDArray[np.int64] = np.empty((0, 0), np.int64)
        self._logprobs: NDArray[np.float32] = np.empty((0, 0), np.float32)

    def __len__(self) -> int:
        return self._count

    def add(self, ids: NDArray[np.int64], logprobs: NDArray[np.float32]) -> None:
        """The next place: ``(k,)`` each, of one k for all places."""
        if self._count == len(self._ids):
            room = max(16, 2 * self._count)
            wider, deeper = np.empty((room, len(ids)), np.int64), np.empty((room, len(ids)), np.float32)
            if self._count:
                wider[: self._count], deeper[: self._count] = self._ids, self._logprobs
            self._ids, self._logprobs = wider, deeper
        self._ids[self._count] = ids
        self._logprobs[self._count] = logprobs
        self._count += 1

    def at(self, place: int, most: int) -> list[tuple[int, float]]:
        """The best tokens of a place with their log-probabilities, at most so many."""
        return list(zip(self._ids[place, :most].tolist(), self._logprobs[place, :most].tolist(), strict=True))

    def columns(self, most: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """``(places, k)`` ids and log-probabilities, k at most ``most``."""
        return self._ids[: self._count, :most], self._logprobs[: self._count, :most]

    def cut(self, count: int) -> None:
        """Drop all places but the first."""
        self._count = min(self._count, count)


@dataclass(slots=True, eq=False)
class Choice:
    """One answer as it grows: columns over its tokens, without the one that ended it.

    Attributes:
        ids: tokens.
        starts: where each token begins, in bytes of the answer.
        logprob: raw, in nats.
        entropy: of the whole vocabulary, in nats.
        top: the most probable tokens at each place.
        text: all that was given out.
        finish: None while it grows.
    """

    ids: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    logprob: list[float] = field(default_factory=list)
    entropy: list[float] = field(default_factory=list)
    top: Best = field(default_factory=Best)
    text: str = ""
    finish: Finish | None = None

    def cut(self, length: int) -> None:
        """Drop the tokens that begin behind so many bytes: those of a text that ended the answer."""
        kept = sum(start < length for start in self.starts)
        for column in (self.ids, self.starts, self.logprob, self.entropy):
            del column[kept:]
        self.top.cut(kept)


@dataclass(slots=True)
class Clockwork:
    """When what happened, in seconds of a timer; 0 for not yet."""

    came: float = 0.0
    began: float = 0.0
    first: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class Piece:
    """More of a choice: its text, and how many tokens it has now; ``finish`` where it is the last."""

    choice: int
    text: str
    tokens: int
    finish: Finish | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The model could not go on; ``reason`` is meant for the log."""

    reason: str


Told: TypeAlias = Piece | Failed


@dataclass(slots=True, eq=False)
class Job:
    """An ask under way: the choices that were asked for come first, then samples for the trace.

    ``mailbox`` is where whoever asked listens; what is put there is told to it in order.
    """

    ask: Ask
    mailbox: Any
    at: datetime
    choices: list[Choice] = field(default_factory=list)
    clock: Clockwork = field(default_factory=Clockwork)
    batch: int = 0
    cancelled: bool = False
    error: str | None = None
    open: int = 0
    _meeting: dict[str, object] = field(default_factory=dict, repr=False)

    def when_settled(self, then: Callable[[], None]) -> None:
        """Call it once no row of the job is under way: now, or by whoever ends the last."""
        # setdefault is atomic: of two threads that meet here, the second sees what the first left.
        if self._meeting.setdefault("first", then) is not then:
            then()

    def settle(self) -> None:
        """No row is under way any more."""
        then = self._meeting.setdefault("first", self)
        if callable(then):
            then()
