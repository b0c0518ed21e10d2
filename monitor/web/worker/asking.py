"""A request of either endpoint, understood: what the model is asked, and what the trace should say of it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from monitor.model.check import Message, Passage
from monitor.model.exchange import Operation
from monitor.model.extension import Extension, documents
from monitor.model.generation import Ask
from monitor.model.trace import Document, InputMessage, Labels, Part, RequestOptions
from monitor.web.worker.bodies import (
    ChatRequest,
    Common,
    CompletionRequest,
    refuse_unsupported,
    stops,
    text_of,
)
from monitor.web.worker.desk import Desk
from monitor.web.worker.errors import Refused
from monitor.web.worker.shapes import ChatShape, CompletionShape, Shape

# What OpenAI's endpoint for completions gives where nothing is said.
COMPLETION_TOKENS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Everything about a request that does not change while it is answered."""

    id: str
    operation: Operation
    at: datetime
    came: float
    traceparent: str
    requested: str
    shape: Shape
    ask: Ask
    options: RequestOptions
    messages: Sequence[InputMessage]
    prompt_text: str | None
    documents: Sequence[Document]
    segment: Labels
    extension: Extension
    usage: bool
    traced: bool

    def checked(self) -> list[Message]:
        """The messages as the guard reads them."""
        if self.prompt_text is not None:
            return [Message("user", self.prompt_text)]
        return [Message(message.role, message.parts) for message in self.messages]

    def passages(self) -> list[str | Passage]:
        return [Passage(each.text, each.id, each.score, each.updated_at) for each in self.documents]


def chat(desk: Desk, body: ChatRequest, traceparent: str) -> Asked:
    """A request for chat. Raises Refused."""
    at, came = desk.clock(), desk.timer()
    refuse_unsupported(body)
    texts = [(message.role, text_of(message, place)) for place, message in enumerate(body.messages)]
    passages = documents(body.driftwarden)
    try:
        prompt = desk.render(
            [{"role": role, "content": text} for role, text in texts],
            [{"title": each.id, "text": each.text} for each in passages],
        )
    except ValueError as error:
        raise Refused(400, str(error), param="messages") from error
    wanted = (body.top_logprobs or 0) if body.logprobs else None
    if body.top_logprobs and not body.logprobs:
        raise Refused(400, "top_logprobs: expected logprobs to be true with it", param="top_logprobs")
    return asked(
        desk,
        body,
        (at, came, traceparent),
        Given(
            operation="chat",
            shape=ChatShape(desk.spelt, wanted),
            ids=desk.encode(prompt, False),  # the template has put special tokens where they belong
            most=body.max_completion_tokens or body.max_tokens,
            messages=[InputMessage(role, [Part(content=text)]) for role, text in texts],
        ),
    )


def completion(desk: Desk, body: CompletionRequest, traceparent: str) -> Asked:
    """A request for the continuation of a text. Raises Refused."""
    at, came = desk.clock(), desk.timer()
    refuse_unsupported(body)
    ids, text = prompt_of(desk, body)
    return asked(
        desk,
        body,
        (at, came, traceparent),
        Given(
            operation="text_completion",
            shape=CompletionShape(desk.spelt, body.logprobs),
            ids=ids,
            most=body.max_tokens or COMPLETION_TOKENS,
            prompt_text=text,
        ),
    )


def prompt_of(desk: Desk, body: CompletionRequest) -> tuple[list[int], str]:
    """The prompt as tokens and as text; one of each request."""
    given = body.prompt
    if isinstance(given, list) and len(given) == 1 and not isinstance(given[0], int):
        given = given[0] if isinstance(given[0], str) else list(given[0])
    if isinstance(given, str):
        return desk.encode(given, True), given
    ids = [each for each in given if isinstance(each, int)]
    if len(ids) != len(given):
        raise Refused(400, f"prompt: expected one prompt a request, got {len(given)}", param="prompt")
    if wrong := [each for each in ids if not 0 <= each < len(desk.spelt)]:
        raise Refused(400, f"prompt: expected tokens below {len(desk.spelt)}, got {wrong[0]}", param="prompt")
    return ids, b"".join(desk.spelt[each] for each in ids).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What the endpoints read differently."""

    operation: Operation
    shape: Shape
    ids: list[int]
    most: int | None
    messages: Sequence[InputMessage] = ()
    prompt_text: str | None = None


def asked(desk: Desk, body: Common, came: tuple[datetime, float, str], given: Given) -> Asked:
    """What both endpoints have in common, within the limits of the model."""
    choices = body.n or 1
    ids, most, shape = given.ids, given.most, given.shape
    refuse_beyond(desk, body, ids, choices, most)
    traced, samples = desk.tracing.drawn()
    ask = Ask(
        prompt=ids,
        choices=choices,
        most_tokens=most or desk.limits.length - len(ids),
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=body.seed,
        stop=stops(body),
        streams=bool(body.stream),
        samples=samples,
        sample_temperature=desk.tracing.temperature,
    )
    options = RequestOptions(
        temperature=ask.temperature, top_p=ask.top_p, max_tokens=most, seed=ask.seed, stop=list(ask.stop) or None,
        stream=ask.streams, n=choices,
    )  # fmt: skip
    segment = body.driftwarden.trace.segment
    if segment.user_id is None and body.user is not None:
        segment = msgspec.structs.replace(segment, user_id=body.user)
    usage = body.stream_options is not None and body.stream_options.include_usage
    return Asked(
        f"{shape.prefix}-{uuid.uuid4().hex}", given.operation, *came, body.model, shape, ask, options, given.messages,
        given.prompt_text, documents(body.driftwarden), segment, body.driftwarden, usage, traced,
    )  # fmt: skip


def without_trace(found: Asked) -> Asked:
    """The request without its trace, and without the samples that only a trace has."""
    return replace(found, traced=False, ask=replace(found.ask, samples=0))


def refuse_beyond(desk: Desk, body: Common, ids: Sequence[int], choices: int, most: int | None) -> None:
    """Raises Refused where the model is another one, or the request more than it can take."""
    if body.model != desk.model:
        raise Refused(
            404,
            f"The model `{body.model}` does not exist; this worker serves `{desk.model}`",
            param="model",
            code="model_not_found",
        )
    limits = desk.limits
    if choices > limits.slots:
        raise Refused(400, f"n: expected at most {limits.slots}, got {choices}", param="n")
    if not ids:
        raise Refused(400, "the prompt is empty", param="prompt")
    if len(ids) + (most or 1) > limits.length:
        raise Refused(
            400,
            f"This model's maximum context length is {limits.length} tokens. However, you requested"
            f" {len(ids) + (most or 1)} tokens ({len(ids)} in the prompt, {most or 1} in the answer)",
            param="messages" if isinstance(body, ChatRequest) else "prompt",
            code="context_length_exceeded",
        )
