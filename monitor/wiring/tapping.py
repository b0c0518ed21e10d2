"""The tap, made from its settings."""

from __future__ import annotations

import gc
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from time import perf_counter
from typing import TypeAlias

import msgspec

from monitor.errors import Permanent
from monitor.events import Away, Started, Stopped
from monitor.model.metric import Metric
from monitor.model.trace import SCHEMA_VERSION, Service
from monitor.ports import Sink
from monitor.settings import Settings
from monitor.tap import Source, TapConfig, Tapped, trace_of
from monitor.telemetry import Telemetry
from monitor.web.server import serve
from monitor.web.tap import Desk, Tap, Upstream
from monitor.wiring.parts import clock
from monitor.wiring.sending import fates_of, publisher_of, put_feedback, sent_by, sinks_of
from monitor.worker import Channel, Outgoing, Publisher

SWITCH_S = 0.0005

Traces: TypeAlias = Publisher[Tapped | Outgoing]


@dataclass(frozen=True, slots=True, eq=False)
class Tapping:
    """A tap whose threads run: its application, and what they are."""

    app: Tap
    desk: Desk
    traces: Traces | None


def encoded(tapped: Tapped, source: Source) -> Outgoing:
    """The record of an exchange, keyed by its id."""
    headers = {
        "traceparent": tapped.context.header,
        "content-type": b"application/json",
        "schema-version": SCHEMA_VERSION.encode(),
    }
    return Outgoing("traces", tapped.id.encode(), msgspec.json.encode(trace_of(tapped, source)), headers)


def source_of(wanted: TapConfig, desk: Desk) -> Source:
    service = Service(wanted.service, metadata.version("driftwarden"), socket.gethostname(), wanted.environment)
    return Source(
        service=service,
        logprobs=wanted.source,
        name=wanted.name,
        version=wanted.version,
        rate=wanted.trace_rate,
        provider=desk.provider,
    )


@contextmanager
def tapping(found: Settings, telemetry: Telemetry, *, sinks: Mapping[Channel, Sink] | None) -> Iterator[Tapping]:
    """A tap while the block lasts."""
    wanted = found.tap
    if wanted.upstream is None:
        raise Permanent("DRIFTWARDEN_TAP__UPSTREAM is not set: the address of an OpenAI-compatible server")
    desk = Desk(
        top=wanted.top_logprobs, rate=wanted.trace_rate, record=None, feedback=None, span=telemetry.generation,
        clock=clock, timer=perf_counter, emit=telemetry.emit,
    )  # fmt: skip
    traces: Traces | None = None
    if sinks is not None:
        traces = publisher_of(wanted, sinks, partial(encoded, source=source_of(wanted, desk)), telemetry.emit)
        desk.record, desk.feedback = traces.put, partial(put_feedback, traces)

    def figures() -> list[Metric]:
        waiting = 0 if traces is None else len(traces.waiting)
        about = "Traces not sent yet."
        standing = Metric("driftwarden_tap_traces_waiting", "gauge", about, (), [((), float(waiting))])
        return [*desk.counts.metrics(), standing, fates_of("driftwarden_tap_traces", traces)]

    app = Tap(
        desk,
        Upstream(wanted.base, timeout_s=wanted.timeout_s, connect_s=wanted.connect_s),
        metrics=lambda: telemetry.exposition(figures()),
        token=wanted.token,
        key=wanted.upstream_key,
    )
    with ExitStack() as stack:
        if traces is not None:
            stack.enter_context(sent_by(traces))
        yield Tapping(app, desk, traces)


def run_tap(found: Settings, stopped: threading.Event, telemetry: Telemetry) -> None:
    """Passes requests on to a server: they have one event loop, the traces a thread."""
    wanted = found.tap
    sinks = sinks_of(found.kafka) if wanted.trace else None
    if sinks is None:
        telemetry.emit(Away("traces", "no broker is set or tap.trace is off: requests pass and leave no trace", 0.0))
    with tapping(found, telemetry, sinks=sinks) as tap:
        # The thread that makes records gives way to the event loop after this, not after Python's 5 ms.
        sys.setswitchinterval(SWITCH_S)
        gc.freeze()
        serve(
            tap.app,
            host=wanted.host,
            port=wanted.port,
            stopped=stopped,
            listening=lambda address: telemetry.emit(Started("tap", f"{address}, upstream {tap.app.upstream.shown}")),
            relays=True,
        )
    telemetry.emit(Stopped("tap"))
