"""Events in, logs and metrics out."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import TextIO

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry, generate_latest

from monitor.events import Event
from monitor.model.metric import Metric
from monitor.telemetry import gen_ai
from monitor.telemetry.families import registry_of
from monitor.telemetry.instruments import Instruments
from monitor.telemetry.logs import JsonLines, PlainLines, level_of, snake_case
from monitor.telemetry.spans import links_of


class Telemetry:
    """Logs and metrics of one process.

    Args:
        role: what this process does: consume, judge, notify, serve or run.
        json_logs: a JSON object on each line, else lines for people.
        spans: where spans of batches go; see ``otlp_exporter``. None makes none.
        stream: where log lines go; standard error unless given.
    """

    def __init__(
        self, role: str, *, json_logs: bool, spans: SpanExporter | None = None, stream: TextIO | None = None
    ) -> None:
        resource = Resource.create({"service.name": "driftwarden", "driftwarden.role": role})
        self._handler = logging.StreamHandler(stream or sys.stderr)
        self._handler.setFormatter(JsonLines(role) if json_logs else PlainLines(role))
        self._log = logging.Logger("driftwarden", logging.INFO)
        self._log.addHandler(self._handler)
        self._registry = CollectorRegistry()
        self._scrape = threading.Lock()
        self._meters = MeterProvider(
            [PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=self._registry)],
            resource,
        )
        self._instruments = Instruments(self._meters)
        self._tracers: TracerProvider | None = None
        if spans is not None:
            self._tracers = TracerProvider(resource=resource)
            self._tracers.add_span_processor(BatchSpanProcessor(spans))

    def emit(self, event: Event) -> None:
        """Log and count one event."""
        level = level_of(event)
        if self._log.isEnabledFor(level):
            values = {field.name: getattr(event, field.name) for field in fields(event)}
            self._log.log(level, snake_case(type(event).__name__), extra={"values": values})
        self._instruments.count(event)

    def include_libraries(self) -> None:
        """Send the warnings of libraries to the same log: a setting of the whole process, for its entry point."""
        root = logging.getLogger()
        root.handlers = [self._handler]
        root.setLevel(logging.WARNING)
        logging.captureWarnings(capture=True)

    def exposition(self, metrics: Iterable[Metric] = ()) -> bytes:
        """All metrics in Prometheus' text format: this process' own, then ``metrics``."""
        with self._scrape:  # the exporter hands one scrape's figures to another that runs at the same time
            own = generate_latest(self._registry)
        return own + generate_latest(registry_of(metrics))

    @contextmanager
    def batch(self, headers: Sequence[Mapping[str, bytes]]) -> Generator[None]:
        """A span around a batch, linked to the producers' spans; nothing where spans go nowhere."""
        if self._tracers is None:
            yield
            return
        tracer = self._tracers.get_tracer("driftwarden")
        with tracer.start_as_current_span(
            "store batch",
            kind=SpanKind.CONSUMER,
            links=links_of(headers),
            attributes={"messaging.batch.message_count": len(headers)},
        ):
            yield

    def generation(self, operation: str, model: str, traceparent: str) -> gen_ai.Span:
        """A span of one request to a model, ``chat {model}``; where spans go nowhere it only has its ids."""
        tracer = None if self._tracers is None else self._tracers.get_tracer("driftwarden")
        return gen_ai.opened(tracer, operation, model, traceparent)

    def close(self) -> None:
        """Send the spans that wait."""
        if self._tracers is not None:
            self._tracers.shutdown()
        self._meters.shutdown()
