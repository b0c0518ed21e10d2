"""Requests as OpenAI's API has them, and what we add under ``driftwarden``.

The contract is https://platform.openai.com/docs/api-reference/chat and …/completions. What we can't do is refused by
its name where leaving it out would change the answer; anything else we do not know is passed over.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from monitor.model.extension import Extension
from monitor.model.trace import Name, Part
from monitor.web.worker.errors import Refused

PLACE = re.compile(r"^(?P<what>.*?) - at `\$\.?(?P<path>.*)`$", re.DOTALL)

T = TypeVar("T")
Share = Annotated[float, Meta(gt=0, le=1)]


class ChatMessage(Struct, frozen=True):
    role: str
    content: str | list[Part] | None = None


class StreamOptions(Struct, frozen=True):
    include_usage: bool = False


class Common(Struct, frozen=True):
    """What both endpoints take; a null is as if it were left out."""

    model: str
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Share | None = None
    n: Annotated[int, Meta(ge=1)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: Name | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    driftwarden: Extension = Extension()


class ChatRequest(Common, frozen=True, kw_only=True):
    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: Any = None


class CompletionRequest(Common, frozen=True, kw_only=True):
    prompt: str | list[str | int | list[int]]
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    echo: bool | None = None
    suffix: str | None = None
    best_of: int | None = None


def read(content: bytes, kind: type[T]) -> T:
    """The body as a request; Refused with the name, the limit and what was found."""
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        found = PLACE.match(str(error))
        if found is None:
            raise Refused(400, str(error), param=missing(str(error))) from error
        told = f"{found['path']}: {found['what']}{got(content, found['path'])}"
        raise Refused(400, told, param=found["path"]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from error


def got(content: bytes, name: str) -> str:
    """What stands in a field of the body, as the end of a sentence; empty where that can't be told."""
    try:
        value = msgspec.json.decode(content).get(name)
    except (msgspec.DecodeError, UnicodeDecodeError, AttributeError):
        return ""
    return "" if value is None else f", got {msgspec.json.encode(value).decode()[:80]}"


def missing(message: str) -> str | None:
    found = re.search(r"missing required field `(.*?)`", message)
    return found[1] if found else None


def refuse_unsupported(asked: ChatRequest | CompletionRequest) -> None:
    """Raises Refused where an answer without what was asked for would be another one."""
    wanted: dict[str, Any] = {
        "frequency_penalty": asked.frequency_penalty, "presence_penalty": asked.presence_penalty,
        "logit_bias": asked.logit_bias,
    }  # fmt: skip
    if isinstance(asked, ChatRequest):
        plain = asked.response_format is None or asked.response_format == {"type": "text"}
        wanted |= {"tools": asked.tools, "functions": asked.functions, "response_format": not plain}
    else:
        more = asked.best_of is not None and asked.best_of > (asked.n or 1)
        wanted |= {"echo": asked.echo, "suffix": asked.suffix, "best_of": more}
    for name, value in wanted.items():
        if value:
            raise Refused(400, f"{name}: this worker does not support it", param=name, code="unsupported_parameter")
    if len(stops(asked)) > 4:
        raise Refused(400, f"stop: expected at most 4 texts, got {len(stops(asked))}", param="stop")


def stops(asked: Common) -> tuple[str, ...]:
    given = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
    return tuple(text for text in given if text)


def text_of(message: ChatMessage, place: int) -> str:
    """The text of a message. Raises Refused where it has parts of another kind."""
    if message.content is None:
        return ""
    if isinstance(message.content, str):
        return message.content
    for part in message.content:
        if part.type != "text":
            where = f"messages[{place}].content"
            raise Refused(400, f"{where}: expected parts of type text, got {part.type!r}", param=where)
    return "\n".join(part.text or "" for part in message.content)
