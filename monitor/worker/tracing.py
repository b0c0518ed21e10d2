"""One exchange with the worker as a trace record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from monitor.model.check import block_of
from monitor.model.exchange import Exchange
from monitor.model.generation import Choice, Job
from monitor.model.trace import (
    SCHEMA_VERSION,
    Gpu,
    Model,
    OutputMessage,
    Part,
    PromptTemplate,
    Sample,
    Sampling,
    Service,
    Timing,
    Tokenization,
    Trace,
    Usage,
)
from monitor.worker.columns import written
from monitor.worker.outgoing import Outgoing

# A sum of log-probabilities is known to about this many places; more only fill the record.
PLACES = 6


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """What all traces of a worker share: the build, who serves it, and what its tokens look like.

    Attributes:
        model: the build block; deployments are compared by its hash.
        texts: what each token reads as.
        top: alternatives per token that a trace keeps.
        rate: share of exchanges that are traced.
    """

    model: Model
    service: Service
    template: PromptTemplate | None
    tokenization: Tokenization
    texts: Sequence[str]
    top: int = 5
    rate: float = 1.0
    gpu: str | None = None


def encoded(exchange: Exchange, origin: Origin) -> Outgoing:
    """The record of an exchange, keyed by its id."""
    headers = {
        "traceparent": exchange.context.header,
        "content-type": b"application/json",
        "schema-version": SCHEMA_VERSION.encode(),
    }
    value = msgspec.json.encode(trace_of(exchange, origin))
    first = answer(exchange)
    if first is not None and first.ids:
        # Most of a record is columns: they are written apart, from arrays, as its last field.
        value = value[:-1] + b',"logprobs":' + written(first, origin.texts, top=origin.top) + b"}"
    return Outgoing("traces", exchange.id.encode(), value, headers)


def answer(exchange: Exchange) -> Choice | None:
    """The first choice, if there is any."""
    return exchange.job.choices[0] if exchange.job is not None and exchange.job.choices else None


def trace_of(exchange: Exchange, origin: Origin) -> Trace:
    """The trace but for ``logprobs``: the first choice is the answer, further ones and what was drawn for the trace are
    its samples.
    """
    job, first = exchange.job, answer(exchange)
    return Trace(
        id=exchange.id,
        schema_version=SCHEMA_VERSION,
        time=exchange.at,
        end_time=exchange.ended_at,
        model=msgspec.structs.replace(origin.model, requested=exchange.requested),
        input_messages=list(exchange.messages),
        prompt_text=exchange.prompt_text,
        output_messages=[message(first)] if first is not None else [],
        trace_id=exchange.context.trace_id,
        span_id=exchange.context.span_id,
        parent_span_id=exchange.context.parent_span_id,
        response_id=exchange.id,
        operation=exchange.operation,
        status="ok" if exchange.error is None else "error",
        error_type=exchange.error,
        service=origin.service,
        segment=exchange.segment,
        prompt_template=exchange.template or origin.template,
        request=exchange.options,
        usage=Usage(len(job.ask.prompt), len(first.ids)) if job is not None and first is not None else Usage(),
        tokenization=origin.tokenization,
        samples=[sample(choice) for choice in job.choices[1:] if choice.finish] if job is not None else [],
        context=list(exchange.documents),
        retrieval=exchange.retrieval,
        timing=timing(job) if job is not None else Timing(),
        gpu=Gpu(origin.gpu, job.batch) if job is not None and origin.gpu is not None else None,
        guard=block_of(list(exchange.decisions)),
        sampling=Sampling(origin.rate, "rate") if origin.rate < 1 else None,
    )


def message(choice: Choice) -> OutputMessage:
    return OutputMessage("assistant", [Part(content=choice.text)], choice.finish or "error")


def sample(choice: Choice) -> Sample:
    return Sample(choice.text, choice.finish, round(sum(choice.logprob), PLACES), len(choice.ids))


def timing(job: Job) -> Timing:
    """Seconds of each stage; those that were not reached are left out."""
    clock = job.clock
    if not clock.began:
        return Timing(total_s=max(clock.ended - clock.came, 0.0) if clock.ended else None)
    tokens = len(job.choices[0].ids) if job.choices else 0
    decode = max(clock.ended - clock.first, 0.0) if clock.ended and clock.first else None
    return Timing(
        queue_s=clock.began - clock.came,
        prefill_s=max(clock.first - clock.began, 0.0) if clock.first else None,
        ttft_s=clock.first - clock.came if clock.first else None,
        decode_s=decode,
        per_output_token_s=decode / (tokens - 1) if decode is not None and tokens > 1 else None,
        total_s=clock.ended - clock.came if clock.ended else None,
    )
