"""Requests and replies of OpenAI's chat completions, as far as canaries need them."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from msgspec import Struct

from detectors.shift import Position
from monitor.canaries.config import CanaryConfig
from monitor.model.canary import Answer, Canary

POSITIONS = 16
"""Tokens of an answer whose log-probabilities are kept and compared."""
LEAST = -50.0
"""What is less likely than this is as good as impossible; some servers say −9999."""


class Model(Struct, frozen=True):
    id: str
    owned_by: str | None = None


class Models(Struct, frozen=True):
    data: list[Model]


class Alternative(Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int] | None = None

    @property
    def key(self) -> str:
        """Parts of characters read alike as text, and differ in their bytes."""
        text = self.token if self.bytes is None else bytes(self.bytes).decode("utf-8", "backslashreplace")
        return storable(text)


class Column(Alternative, frozen=True):
    top_logprobs: list[Alternative] = []

    @property
    def position(self) -> Position:
        best = {each.key: max(each.logprob, LEAST) for each in (*self.top_logprobs, self)}
        if not all(map(math.isfinite, best.values())):
            raise ValueError(f"expected finite log-probabilities, got {self.logprob}")
        return Position(self.key, best)


class Columns(Struct, frozen=True):
    content: list[Column] | None = None


class Message(Struct, frozen=True):
    content: str | None = None


class Choice(Struct, frozen=True):
    message: Message
    finish_reason: str | None = None
    logprobs: Columns | None = None


class Completion(Struct, frozen=True):
    choices: list[Choice]
    model: str | None = None
    system_fingerprint: str | None = None


def asking_for(canary: Canary, config: CanaryConfig, model: str, *, takes_context: bool) -> bytes:
    """The request: the most likely answer, with log-probabilities.

    Passages go apart where the endpoint takes them, else before the last message.
    """
    messages = [{"role": turn.role, "content": turn.content} for turn in canary.messages]
    body: dict[str, Any] = {"model": model, "messages": messages, "temperature": 0, "seed": 0}
    body["max_tokens"] = canary.max_tokens or config.max_tokens
    if config.top_logprobs:
        body |= {"logprobs": True, "top_logprobs": config.top_logprobs}
    if canary.context and takes_context:
        body["driftwarden"] = {"context": list(canary.context)}
    elif canary.context:
        messages[-1]["content"] = "\n\n".join((*canary.context, canary.prompt))
    return msgspec.json.encode(body)


def answer_of(content: bytes, latency_s: float) -> Answer:
    """The answer of a reply. Raises ValueError or MsgspecError where it is none."""
    told = msgspec.json.decode(content, type=Completion)
    if not told.choices:
        raise ValueError("expected a choice, got none")
    choice = told.choices[0]
    columns = (choice.logprobs.content or []) if choice.logprobs is not None else []
    return Answer(
        "ok",
        None if columns else "no log-probabilities",
        storable(choice.message.content or ""),
        choice.finish_reason,
        [column.position for column in columns[:POSITIONS]],
        told.system_fingerprint and storable(told.system_fingerprint),
        told.model and storable(told.model),
        latency_s,
    )


def storable(text: str) -> str:
    """Postgres takes no NUL."""
    return text.replace("\0", "\ufffd")
