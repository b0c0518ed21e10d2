"""The worker, made from its settings."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, TypeAlias

from monitor.errors import Permanent
from monitor.events import Away, Started, Stopped
from monitor.guard.policy import Stream
from monitor.guard.streaming import StreamGuard
from monitor.model.build import build_name
from monitor.model.check import CheckRequest
from monitor.model.exchange import Exchange
from monitor.model.metric import Metric
from monitor.model.trace import PromptTemplate
from monitor.ports import Check, Emit, Sink
from monitor.serving import StreamCheck
from monitor.settings import Settings, WorkerSettings
from monitor.telemetry import Telemetry
from monitor.web.server import serve
from monitor.web.worker import Desk, Limits, Post, Tracing, worker_api
from monitor.wiring.guarding import guard, guard_client
from monitor.wiring.loading import Loaded, loaded, origin
from monitor.wiring.parts import clock
from monitor.wiring.sending import fates_of, publisher_of, put_feedback, sent_by, sinks_of
from monitor.worker import Channel, Origin, Outgoing, Publisher, Scheduler, columns, encoded

# A thread that computes in Python gives way to the one that owns the model after this, not after Python's 5 ms.
SWITCH_S = 0.0005


Traces: TypeAlias = Publisher[Exchange | Outgoing]


def sinks_for(found: Settings) -> Mapping[Channel, Sink] | None:
    """Where traces and feedback go; None where that is nowhere, or traces are switched off."""
    if not found.worker.trace:
        return None
    if found.kafka is None and found.worker.sidecar is not None:
        from monitor.importing.http import HttpSink

        return {"traces": HttpSink(found.worker.sidecar, api_key=found.web.token)}
    return sinks_of(found.kafka)


def publisher(wanted: WorkerSettings, sinks: Mapping[Channel, Sink], traced: Origin, emit: Emit) -> Traces:
    """What sends traces and feedback."""
    return publisher_of(wanted, sinks, partial(encoded, origin=traced), emit)


def guards(
    found: Settings, emit: Emit, stack: ExitStack
) -> tuple[Check | None, Callable[[CheckRequest], StreamCheck] | None]:
    """What checks exchanges, and answers that are streamed."""
    where = found.worker.guard
    if where == "off":
        return None, None
    if where == "inside":
        engine = guard(found, found.guard.policies, emit)
        stack.callback(engine.close)

        def watched(request: CheckRequest) -> StreamCheck:
            return StreamGuard(engine.check, request, engine.plan_of(request.policy).policy.stream)

        return engine.check, watched
    if not where.startswith(("http://", "https://")):
        raise Permanent(f"DRIFTWARDEN_WORKER__GUARD: expected off, inside or an http address, got {where!r}")
    client = guard_client(where, found)
    stack.callback(client.close)
    return client.check, lambda request: StreamGuard(client.check, request, Stream())


@contextmanager
def desk(
    found: Settings, model: Loaded, scheduler: Scheduler, traces: Traces | None, telemetry: Telemetry
) -> Iterator[Desk]:
    """What the handlers stand on, while the block lasts."""
    wanted, folder = found.worker, model.folder
    tracing = Tracing(
        record=traces.put if traces is not None else lambda _exchange: None,
        rate=wanted.trace_rate,
        sampled=wanted.sample_rate if traces is not None else 0.0,
        samples=wanted.samples,
        temperature=wanted.sample_temperature,
    )

    def render(messages: Any, documents: Any) -> str:
        if folder.template is None:
            raise ValueError(f"messages: {folder.graph.parent.name} has no chat template; ask /v1/completions")
        return folder.template.render(messages, documents)

    template = PromptTemplate(hash=folder.template.hash) if folder.template is not None else None
    with ExitStack() as stack:
        check, stream_check = guards(found, telemetry.emit, stack)
        source = origin(model, wanted) if check is not None else None
        pool = stack.enter_context(ThreadPoolExecutor(2 * wanted.slots, thread_name_prefix="guard-asks"))
        yield Desk(
            model=model.name,
            build=build_name(model.build, template),
            created=int(folder.graph.stat().st_mtime),
            limits=Limits(wanted.slots, model.decoder.length),
            spelt=model.words.spelt,
            render=render,
            encode=lambda text, special: folder.encode(text, special=special),
            scheduler=scheduler,
            tracing=tracing,
            feedback=partial(put_feedback, traces) if traces is not None and "feedback" in traces.sinks else None,
            span=telemetry.generation,
            clock=clock,
            timer=perf_counter,
            emit=telemetry.emit,
            pool=pool,
            check=check,
            stream_check=stream_check,
            columns=partial(columns, texts=source.texts, top=source.top) if source is not None else None,
        )


def figures(scheduler: Scheduler, traces: Publisher[Any] | None) -> list[Metric]:
    """What the scheduler and the traces' thread count, as it stands."""
    counts = scheduler.counts
    work = {
        "steps": "Steps of the model.", "rows": "Rows in all steps together.", "prompts": "Prompts read.",
        "prompt_tokens": "Tokens of prompts read.", "output_tokens": "Tokens made.",
        "refused": "Requests refused for a full queue.", "cancelled": "Requests whose client hung up.",
        "failed": "Requests that the model failed in.",
    }  # fmt: skip
    told = [
        Metric(f"driftwarden_worker_{name}", "counter", about, (), [((), float(getattr(counts, name)))])
        for name, about in work.items()
    ]
    standing = {
        "slots": ("Rows that fit at once.", scheduler.decoder.slots),
        "slots_used": ("Rows under way.", len(scheduler.rows)),
        "waiting": ("Requests in the queue.", len(scheduler.waiting)),
        "traces_waiting": ("Traces not sent yet.", 0 if traces is None else len(traces.waiting)),
    }
    told += [
        Metric(f"driftwarden_worker_{name}", "gauge", about, (), [((), float(value))])
        for name, (about, value) in standing.items()
    ]
    return [*told, fates_of("driftwarden_worker_traces", traces)]


@dataclass(frozen=True, slots=True, eq=False)
class Working:
    """A worker whose threads run: its application, and what they are."""

    app: Any
    model: Loaded
    build: str
    scheduler: Scheduler
    traces: Traces | None


@contextmanager
def working(
    found: Settings, telemetry: Telemetry, *, sinks: Mapping[Channel, Sink] | None = None, over: threading.Event
) -> Iterator[Working]:
    """A worker while the block lasts; from when ``over`` is set it says that it is not ready."""
    model = loaded(found.worker, telemetry.emit)
    post = Post()
    scheduler = Scheduler(
        model.decoder, model.words, waiting=found.worker.queue, deliver=post, timer=perf_counter, clock=clock,
        emit=telemetry.emit,
    )  # fmt: skip
    traces = None
    if sinks is not None:
        traces = publisher(found.worker, sinks, origin(model, found.worker), telemetry.emit)
    thread = threading.Thread(target=scheduler.run, name="scheduler")

    with desk(found, model, scheduler, traces, telemetry) as served, ExitStack() as stack:

        def ready() -> tuple[bool, Mapping[str, Any]]:
            told = {
                "model": model.name, "revision": model.build.revision, "precision": model.build.precision,
                "provider": model.decoder.provider, "layout": model.decoder.graph.layout, "build": served.build,
            }  # fmt: skip
            return thread.is_alive() and not over.is_set(), told

        app = worker_api(
            served,
            post,
            ready=ready,
            metrics=lambda: telemetry.exposition(figures(scheduler, traces)),
            token=found.worker.token,
        )
        if traces is not None:
            stack.enter_context(sent_by(traces))
        thread.start()
        stack.callback(thread.join)
        stack.callback(scheduler.stop)
        yield Working(app, model, served.build, scheduler, traces)


def run_worker(found: Settings, stopped: threading.Event, telemetry: Telemetry) -> None:
    """Serves a model: the scheduler and the traces have a thread each, the requests one event loop."""
    sinks = sinks_for(found)
    if sinks is None:
        telemetry.emit(
            Away(
                "traces",
                "neither a broker nor worker.sidecar is set, or worker.trace is off: answers leave no trace",
                0.0,
            )
        )
    with working(found, telemetry, sinks=sinks, over=stopped) as worker:
        sys.setswitchinterval(SWITCH_S)
        gc.freeze()  # the model stays: a collection must not walk it while a step waits
        on = f"{worker.build} on {worker.model.decoder.provider}"
        serve(
            worker.app,
            host=found.worker.host,
            port=found.worker.port,
            stopped=stopped,
            listening=lambda address: telemetry.emit(Started("worker", f"{address}, {on}")),
        )
    telemetry.emit(Stopped("worker"))
