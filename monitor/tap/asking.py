"""A request on its way to the upstream: what the trace will say of it, and the body with what we add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct

from monitor.model.exchange import Operation
from monitor.model.extension import Extension
from monitor.model.trace import InputMessage, Labels, Part, RequestOptions
from monitor.tap.stripping import Wants

Fields: TypeAlias = dict[str, Raw]

US = "driftwarden"
TRUE = Raw(b"true")

fields_of = msgspec.json.Decoder(Fields)


class Call(Struct):
    """A function that the model calls; ``arguments`` is JSON."""

    name: str | None = None
    arguments: str | None = None


class ToolCall(Struct):
    index: int | None = None
    function: Call | None = None


class Message(Struct):
    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[ToolCall] | None = None


class StreamOptions(Struct):
    include_usage: bool | None = None


class Request(Struct):
    """What we read of either endpoint's requests; the rest passes unread."""

    model: str
    messages: list[Message] | None = None
    prompt: str | list[str | int | list[int]] | None = None
    n: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | int | None = None
    top_logprobs: int | None = None
    echo: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    user: str | None = None
    tools: list[Any] | None = None
    response_format: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A request understood.

    Attributes:
        prompts: of completions, each a trace of its own; one None for a chat.
        plain: the body for the upstream without what is meant for us.
        amended: the body with what we add; ``plain`` itself where that is nothing.
        wants: what of the reply the client asked for, where it is ``amended`` that went.
    """

    operation: Operation
    model: str
    messages: Sequence[InputMessage]
    prompts: Sequence[str | None]
    options: RequestOptions
    tools: Sequence[Any]
    segment: Labels
    extension: Extension
    streams: bool
    choices: int
    plain: bytes
    amended: bytes
    wants: Wants


def read(operation: Operation, body: bytes, *, top: int) -> Asked | bytes:
    """The request; where it is none that we can read, the bytes that the upstream should get to refuse it.

    Raises:
        msgspec.ValidationError: what stands under ``driftwarden`` is not ours.
    """
    try:
        fields = fields_of.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body
    ours = fields.pop(US, None)
    plain = body if ours is None else msgspec.json.encode(fields)
    extension = Extension() if ours is None else msgspec.json.decode(ours, type=Extension)
    try:
        found = msgspec.json.decode(plain, type=Request)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return plain
    prompts = prompts_of(operation, found)
    if prompts is None or (operation == "chat" and not found.messages):
        return plain
    added, wants = amendments(operation, found, fields, top)
    segment = extension.trace.segment
    if segment.user_id is None and found.user is not None:
        segment = msgspec.structs.replace(segment, user_id=found.user[:256])
    return Asked(
        operation=operation,
        model=found.model,
        messages=[message_of(each) for each in found.messages or ()] if operation == "chat" else (),
        prompts=prompts,
        options=options_of(found),
        tools=found.tools or (),
        segment=segment,
        extension=extension,
        streams=bool(found.stream),
        choices=found.n or 1,
        plain=plain,
        amended=msgspec.json.encode({**fields, **added}) if added else plain,
        wants=wants,
    )


def prompts_of(operation: Operation, found: Request) -> Sequence[str | None] | None:
    """The texts that are continued; None where there are none, or only tokens, which say nothing without their model.

    >>> prompts_of("text_completion", Request("m", prompt=["a", "b"]))
    ['a', 'b']
    """
    if operation == "chat":
        return (None,)
    given = [found.prompt] if isinstance(found.prompt, str) else found.prompt or ()
    texts = [each for each in given if isinstance(each, str)]
    return texts if texts and len(texts) == len(given) else None


def amendments(operation: Operation, found: Request, fields: Fields, top: int) -> tuple[Mapping[str, Raw], Wants]:
    """The fields we add or raise, and what is then not for the client."""
    added: Fields = {}
    logprobs, most = True, None
    if operation == "chat":
        if found.logprobs:
            # Where no number is asked for servers give what they like: none by OpenAI, 20 by llama.cpp.
            if found.top_logprobs is not None and found.top_logprobs < top:
                most = found.top_logprobs
                added["top_logprobs"] = number(top)
        elif found.top_logprobs is None:  # without logprobs it is an error, and the upstream's to find
            logprobs = False
            added |= {"logprobs": TRUE} | ({"top_logprobs": number(top)} if top else {})
    elif (found.logprobs is None or found.logprobs is False) and not found.echo:
        logprobs = False
        added["logprobs"] = number(top)
    usage = not found.stream or (found.stream_options is not None and bool(found.stream_options.include_usage))
    if not usage:
        given = fields.get("stream_options", Raw(b"null"))
        options = msgspec.json.decode(given, type=Fields | None) or {}
        added["stream_options"] = Raw(msgspec.json.encode({**options, "include_usage": TRUE}))
    return added, Wants(logprobs, most, usage)


def number(value: int) -> Raw:
    return Raw(str(value).encode())


def message_of(message: Message) -> InputMessage:
    """A message of the request; parts that are no text are told by their type alone."""
    content = message.content
    if isinstance(content, list):
        parts = [part_of(each) for each in content]
    else:
        parts = [Part(content=content)] if content else []
    return InputMessage(message.role, [*parts, *(call_of(each.function) for each in message.tool_calls or ())])


def part_of(part: Mapping[str, Any]) -> Part:
    kind, text = part.get("type"), part.get("text")
    return Part(str(kind or "text"), content=text if isinstance(text, str) else None)


def call_of(call: Call | None) -> Part:
    found = call or Call()
    return Part("tool_call", name=found.name, arguments=found.arguments)


def options_of(found: Request) -> RequestOptions:
    return RequestOptions(
        temperature=found.temperature, top_p=found.top_p, top_k=found.top_k,
        max_tokens=found.max_completion_tokens or found.max_tokens, seed=found.seed, stop=found.stop,
        stream=bool(found.stream), n=found.n or 1, response_format=found.response_format,
    )  # fmt: skip
