"""What we read of replies and of chunks of streams, of both endpoints; servers differ in the rest."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from monitor.tap.asking import ToolCall


class Alternative(Struct):
    logprob: float | None = None


class Token(Struct):
    """A token of a chat's answer; ``bytes`` are there where its text alone may be no whole characters."""

    token: str = ""
    logprob: float | None = None
    bytes: list[int] | None = None
    top_logprobs: list[Alternative] | None = None


class Logprobs(Struct):
    """``content`` of chats; the columns of completions."""

    content: list[Token] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float | None] | None] | None = None


class Said(Struct):
    """A message, or what a chunk adds to it."""

    role: str | None = None
    content: Any = None
    tool_calls: list[ToolCall] | None = None


class ReplyChoice(Struct):
    """``logprobs`` is unset where the server leaves it out rather than giving null."""

    index: int = 0
    message: Said | None = None
    delta: Said | None = None
    text: str | None = None
    logprobs: Logprobs | UnsetType | None = UNSET
    finish_reason: str | None = None


class InputDetails(Struct):
    cached_tokens: int | None = None


class OutputDetails(Struct):
    reasoning_tokens: int | None = None


class ReplyUsage(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None


class Reply(Struct):
    """A reply, or a chunk of one. ``error`` stands in a stream that failed after it had begun."""

    id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    choices: list[ReplyChoice] = []
    usage: ReplyUsage | None = None
    error: Any = None


decoder = msgspec.json.Decoder(Reply)


def reply_of(content: bytes) -> Reply | None:
    """The reply; None where it is another thing."""
    try:
        return decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
