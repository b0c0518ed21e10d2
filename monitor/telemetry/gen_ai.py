"""OpenTelemetry's names for generation, and the spans and metrics that bear them.

The GenAI conventions are in development (https://github.com/open-telemetry/semantic-conventions-genai): what they call
things stands here and nowhere else.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from opentelemetry.metrics import Meter
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, Tracer, set_span_in_context
from opentelemetry.trace.status import StatusCode

from monitor.events import Generated

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - a name, no secret
ERROR_TYPE = "error.type"

DURATION = "gen_ai.server.request.duration"
FIRST_TOKEN = "gen_ai.server.time_to_first_token"  # noqa: S105
PER_TOKEN = "gen_ai.server.time_per_output_token"  # noqa: S105
TOKENS = "gen_ai.client.token.usage"

US = "driftwarden"

# The bounds that the conventions advise.
DURATION_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST_TOKEN_S = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
PER_TOKEN_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKEN_COUNTS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536)


class Instruments:
    """Metrics of requests to the worker."""

    def __init__(self, meter: Meter) -> None:
        def histogram(name: str, unit: str, told: str, bounds: tuple[float, ...]) -> Any:
            return meter.create_histogram(
                name, unit=unit, description=told, explicit_bucket_boundaries_advisory=list(bounds)
            )

        self.duration = histogram(DURATION, "s", "Seconds from a request to the end of its answer.", DURATION_S)
        self.first = histogram(FIRST_TOKEN, "s", "Seconds from a request to its first token.", FIRST_TOKEN_S)
        self.per_token = histogram(PER_TOKEN, "s", "Seconds per token after the first.", PER_TOKEN_S)
        self.tokens = histogram(TOKENS, "{token}", "Tokens of requests and answers.", TOKEN_COUNTS)

    def count(self, event: Generated) -> None:
        labels = {OPERATION: event.operation, PROVIDER: US, REQUEST_MODEL: event.model, RESPONSE_MODEL: event.model}
        if event.error is not None:
            self.duration.record(event.seconds, labels | {ERROR_TYPE: event.error})
            return
        self.duration.record(event.seconds, labels)
        if event.first_token_s is not None:
            self.first.record(event.first_token_s, labels)
        if event.token_s is not None:
            self.per_token.record(event.token_s, labels)
        self.tokens.record(event.input_tokens, labels | {TOKEN_TYPE: "input"})
        self.tokens.record(event.output_tokens, labels | {TOKEN_TYPE: "output"})


@dataclass(frozen=True, slots=True)
class Span:
    """A request's span: its ids in hexadecimal, and the end of it."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    _span: Any = None

    def end(self, event: Generated, response_id: str, finish_reasons: tuple[str, ...]) -> None:
        if self._span is None:
            return
        self._span.set_attributes({
            RESPONSE_MODEL: event.model, RESPONSE_ID: response_id, FINISH_REASONS: finish_reasons,
            INPUT_TOKENS: event.input_tokens, OUTPUT_TOKENS: event.output_tokens,
        })  # fmt: skip
        if event.error is not None:
            self._span.set_attribute(ERROR_TYPE, event.error)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def opened(tracer: Tracer | None, operation: str, model: str, traceparent: str) -> Span:
    """A span below the one that the request's ``traceparent`` names, else of a trace of its own."""
    parent = parent_of(traceparent)
    if tracer is None:
        trace_id = f"{parent.trace_id:032x}" if parent else secrets.token_hex(16)
        return Span(trace_id, secrets.token_hex(8), f"{parent.span_id:016x}" if parent else None)
    around = set_span_in_context(NonRecordingSpan(parent)) if parent else None
    span = tracer.start_span(
        f"{operation} {model}",
        around,
        SpanKind.SERVER,
        attributes={OPERATION: operation, PROVIDER: US, REQUEST_MODEL: model},
    )
    found = span.get_span_context()
    return Span(f"{found.trace_id:032x}", f"{found.span_id:016x}", f"{parent.span_id:016x}" if parent else None, span)


def parent_of(traceparent: str) -> SpanContext | None:
    """The span a W3C ``traceparent`` names, sampled or not; None where it is not one."""
    parts = traceparent.strip().split("-")
    if len(parts) < 4 or [len(each) for each in parts[:4]] != [2, 32, 16, 2] or parts[0] == "ff":
        return None
    try:
        ids = [int(each, 16) for each in parts[1:4]]
    except ValueError:
        return None
    context = SpanContext(ids[0], ids[1], is_remote=True, trace_flags=TraceFlags(ids[2]))
    return context if context.is_valid else None
