"""What a guard is asked, and what it answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from monitor.model.guarded import ACTIONS, STRICTNESS, Action, Finding, GuardVerdict, Stage, Verdict
from monitor.model.texts import response_of
from monitor.model.trace import (
    SCHEMA_VERSION,
    Document,
    InputMessage,
    Instant,
    Logprobs,
    Model,
    Name,
    OutputMessage,
    Part,
    RequestOptions,
    Sample,
    Trace,
)


class Message(Struct, frozen=True, gc=False, omit_defaults=True):
    """A message as OpenAI's API has it: ``content`` is text, or parts of which those of type text are read."""

    role: str = "user"
    content: str | list[Part] | None = None


class Passage(Struct, frozen=True, gc=False, omit_defaults=True):
    """A passage that the answer should rest on."""

    text: str
    id: str = ""
    score: float | None = None
    updated_at: Instant | None = None


class CheckRequest(Struct, frozen=True, gc=False, omit_defaults=True):
    """An exchange to be checked: before the model is asked (``input``) or before its answer is given (``output``).

    What is left out is not measured, and the answer says so. ``partial`` marks an answer that is still being written:
    only rules that can tell from a beginning are asked.
    """

    stage: Stage
    messages: list[Message] = []
    output: str | None = None
    context: list[str | Passage] = []
    logprobs: Logprobs | None = None
    samples: list[str] = []
    tools: list[Any] = []
    response_format: Any = None
    finish_reason: Literal["stop", "length", "content_filter", "tool_call", "error"] | None = None
    policy: Name | None = None
    deadline_ms: Annotated[float, Meta(gt=0, le=60_000)] | None = None
    time: Instant | None = None
    partial: bool = False


class Unmeasured(Struct, frozen=True, gc=False, omit_defaults=True):
    """A rule that says nothing of this exchange, and why; ``error`` where it should have."""

    rule: str
    reason: str
    error: bool = False


class Decision(Struct, frozen=True, gc=False, omit_defaults=True):
    """What a guard says of one stage of an exchange.

    ``verdict`` is to be obeyed: rules in shadow mode have no part in it. ``replacement`` is what is said instead where
    it abstains or denies. ``degraded`` means that not every rule was measured: see ``unmeasured``.
    """

    verdict: Verdict
    action: Action
    policy: str
    policy_hash: str
    stage: Stage
    findings: list[Finding] = []
    unmeasured: list[Unmeasured] = []
    replacement: str | None = None
    latency_s: float = 0.0
    degraded: bool = False


def trace_of(request: CheckRequest, now: datetime) -> Trace:
    """The exchange as a trace, so that it is measured exactly as stored ones are."""
    asked = None if request.response_format is None else RequestOptions(response_format=request.response_format)
    answered = request.output is not None
    output = OutputMessage(parts=[Part(content=request.output)], finish_reason=request.finish_reason)
    return Trace(
        id="check",
        schema_version=SCHEMA_VERSION,
        time=request.time or now,
        model=Model(name=""),
        input_messages=[InputMessage(message.role, parts_of(message)) for message in request.messages],
        output_messages=[output] if answered else [],
        request=asked,
        tools=request.tools,
        logprobs=request.logprobs,
        samples=[Sample(text) for text in request.samples],
        context=[document(place, passage) for place, passage in enumerate(request.context)],
    )


def requests_of_trace(trace: Trace) -> list[CheckRequest]:
    """Both stages of a stored exchange; an answer that was never given has one."""
    messages = [Message(message.role, message.parts) for message in trace.input_messages]
    if trace.prompt_text is not None:
        messages = [Message("user", trace.prompt_text)]
    passages: list[str | Passage] = [
        Passage(found.text, found.id, found.score, found.updated_at) for found in trace.context
    ]
    both = [CheckRequest("input", messages, context=passages, tools=trace.tools, time=trace.time)]
    if trace.output_messages:
        output = trace.output_messages[0]
        both.append(
            CheckRequest(
                "output",
                messages,
                response_of(trace),
                passages,
                logprobs=trace.logprobs,
                samples=[sample.text for sample in trace.samples],
                tools=trace.tools,
                response_format=trace.request.response_format if trace.request else None,
                finish_reason=output.finish_reason,
                time=trace.time,
            )
        )
    return both


def parts_of(message: Message) -> list[Part]:
    content = message.content
    return [Part(content=content)] if isinstance(content, str) else list(content or ())


def document(place: int, passage: str | Passage) -> Document:
    if isinstance(passage, str):
        return Document(str(place), passage)
    return Document(passage.id or str(place), passage.text, passage.score, updated_at=passage.updated_at)


def block_of(decisions: list[Decision]) -> GuardVerdict | None:
    """The block ``guard`` of the trace: both stages of one exchange as one; None where nothing was checked."""
    if not decisions:
        return None
    worst = max(decisions, key=lambda decision: STRICTNESS[decision.verdict])
    carried = next((found for found in worst.findings if found.verdict == worst.verdict != "allow"), None)
    return GuardVerdict(
        verdict=worst.verdict,
        action=ACTIONS[worst.verdict],
        policy=worst.policy,
        rule=carried.rule if carried else None,
        score=carried.score if carried else None,
        latency_s=sum(decision.latency_s for decision in decisions),
        policy_hash=worst.policy_hash,
        degraded=any(decision.degraded for decision in decisions) or None,
        stages=[decision.stage for decision in decisions],
        findings=[found for decision in decisions for found in decision.findings],
    )
