"""Spans of requests to a model."""

import io
from dataclasses import replace

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from monitor.events import (
    Generated,
)
from monitor.telemetry import Telemetry


def test_a_request_to_a_model_is_a_span_below_its_callers() -> None:
    exporter = InMemorySpanExporter()
    telemetry = Telemetry("worker", json_logs=True, spans=exporter, stream=io.StringIO())
    event = Generated("chat", "bot", "bot", None, False, 0.5, 0.1, 0.02, 12, 7)
    span = telemetry.generation("chat", "bot", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    span.end(event, "chatcmpl-1", ("stop",))
    alone = telemetry.generation("chat", "bot", "no header")
    alone.end(replace(event, error="generation_failed"), "chatcmpl-2", ("error",))
    telemetry.close()
    first, second = exporter.get_finished_spans()
    assert first.attributes is not None
    assert first.parent is not None
    assert first.name == "chat bot"
    assert f"{first.context.trace_id:032x}" == span.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert (f"{first.parent.span_id:016x}", span.parent_span_id) == ("00f067aa0ba902b7", "00f067aa0ba902b7")
    assert first.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert (first.attributes["gen_ai.usage.input_tokens"], first.attributes["gen_ai.usage.output_tokens"]) == (12, 7)
    assert second.attributes is not None
    assert second.attributes["error.type"] == "generation_failed"
    assert (second.parent, alone.parent_span_id) == (None, None)


def test_a_request_has_ids_where_spans_go_nowhere() -> None:
    telemetry = Telemetry("worker", json_logs=True, stream=io.StringIO())
    below = telemetry.generation("chat", "bot", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
    alone = telemetry.generation("chat", "bot", "")
    telemetry.close()
    assert (below.trace_id, below.parent_span_id) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    assert (len(alone.trace_id), len(alone.span_id), alone.parent_span_id) == (32, 16, None)
