"""One exchange that went through the tap, as a trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from monitor.model.exchange import Context
from monitor.model.extension import documents
from monitor.model.trace import SCHEMA_VERSION, Cache, Model, Sampling, Service, Timing, Trace, Usage
from monitor.tap.answer import Answer
from monitor.tap.asking import Asked
from monitor.tap.replies import ReplyUsage


@dataclass(slots=True, eq=False)
class Told:
    """What the upstream said of itself and of a reply, as far as it came."""

    id: str = ""
    model: str = ""
    fingerprint: str | None = None
    usage: ReplyUsage | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Tapped:
    """A prompt with its answers: the first is the answer, the others are samples.

    Attributes:
        id: the reply's, by which feedback names it; our own where the upstream gives none.
        place: of the prompt among those of its request.
        came, first, ended: seconds of a timer; ``first`` 0 where nothing was said.
    """

    id: str
    asked: Asked
    place: int
    told: Told
    answers: Sequence[Answer]
    context: Context
    at: datetime
    ended_at: datetime
    came: float
    first: float
    ended: float
    error: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What all traces of a tap share; ``provider`` says who serves a model."""

    service: Service
    logprobs: str
    name: str | None = None
    version: str | None = None
    rate: float = 1.0
    provider: Callable[[str], str | None] = field(default=lambda _model: None)


def trace_of(tapped: Tapped, source: Source) -> Trace:
    asked, told = tapped.asked, tapped.told
    first = tapped.answers[0] if tapped.answers else None
    whole = tapped.error is None or (first is not None and bool(first.texts or first.calls))
    given = asked.extension.trace
    return Trace(
        id=tapped.id,
        schema_version=SCHEMA_VERSION,
        time=tapped.at,
        end_time=tapped.ended_at,
        model=model_of(asked, told, source),
        input_messages=list(asked.messages),
        prompt_text=asked.prompts[tapped.place],
        output_messages=[first.message(failed=tapped.error is not None)] if first is not None and whole else [],
        trace_id=tapped.context.trace_id,
        span_id=tapped.context.span_id,
        parent_span_id=tapped.context.parent_span_id,
        response_id=told.id[:256] or None,
        operation=asked.operation,
        status="ok" if tapped.error is None else "error",
        error_type=tapped.error,
        service=source.service,
        segment=asked.segment,
        prompt_template=given.prompt_template,
        request=asked.options,
        cache=cache_of(told.usage),
        tools=list(asked.tools),
        usage=usage_of(tapped),
        logprobs=first.columns(source.logprobs) if first is not None else None,
        samples=[each.sample() for each in tapped.answers[1:] if each.finish],
        context=documents(asked.extension),
        retrieval=given.retrieval,
        timing=timing(tapped),
        sampling=Sampling(source.rate, "rate") if source.rate < 1 else None,
    )


def model_of(asked: Asked, told: Told, source: Source) -> Model:
    """The build: a version that the settings name stands for the fingerprint, which some services draw at random."""
    name = told.model or asked.model
    return Model(
        name=(source.name or name)[:256],
        requested=asked.model[:256],
        provider=source.provider(name),
        version=source.version,
        revision=told.fingerprint[:256] if told.fingerprint and source.version is None else None,
    )


def usage_of(tapped: Tapped) -> Usage:
    """Tokens of the prompt and of the first answer; the upstream counts those of a request all together."""
    found = tapped.told.usage or ReplyUsage()
    alone = len(tapped.answers) <= 1
    tokens = len(tapped.answers[0].tokens) if tapped.answers else 0
    details = found.completion_tokens_details
    single = len(tapped.asked.prompts) == 1
    return Usage(
        input_tokens=found.prompt_tokens if single else None,
        output_tokens=found.completion_tokens if single and alone and found.completion_tokens else tokens or None,
        reasoning_tokens=details.reasoning_tokens if details is not None and single and alone else None,
    )


def cache_of(usage: ReplyUsage | None) -> Cache | None:
    details = usage.prompt_tokens_details if usage is not None else None
    cached = details.cached_tokens if details is not None else None
    return Cache(hit=cached > 0, kind="prefix", cached_input_tokens=cached) if cached is not None else None


def timing(tapped: Tapped) -> Timing:
    """As the tap saw it, the way to the upstream included; a reply in one piece has no first token of its own."""
    total = max(tapped.ended - tapped.came, 0.0)
    if not tapped.first or not tapped.asked.streams:
        return Timing(total_s=total)
    tokens = len(tapped.answers[0].tokens) if tapped.answers else 0
    decode = max(tapped.ended - tapped.first, 0.0)
    return Timing(
        ttft_s=max(tapped.first - tapped.came, 0.0),
        decode_s=decode,
        per_output_token_s=decode / (tokens - 1) if tokens > 1 else None,
        total_s=total,
    )
