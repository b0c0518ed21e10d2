"""A worker that serves the seeded model over loopback, and the official client."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue
from typing import Any

import openai

from monitor.codec import Limits
from monitor.codec.records import decode
from monitor.model.decoded import Decoded
from monitor.model.record import Partition, Record
from monitor.model.trace import Trace
from monitor.settings import GuardSettings, Settings, WorkerSettings
from monitor.telemetry import Telemetry
from monitor.testing.sources import MemorySink
from monitor.web.server import serve
from monitor.wiring.working import Working, working

DEADLINE_S = 30.0


@dataclass
class Site:
    """A running worker: ``address`` ends without a slash."""

    worker: Working
    address: str
    traces: MemorySink
    feedback: MemorySink
    telemetry: Telemetry
    over: threading.Event

    def client(self, key: str = "any") -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.address}/v1", api_key=key, max_retries=0, timeout=DEADLINE_S)

    def until(self, fact: Callable[[], bool]) -> bool:
        """Whether a fact comes true in time; other threads make it so."""
        waiting = threading.Event()
        return any(fact() or waiting.wait(0.01) for _ in range(int(DEADLINE_S * 100)))


Start = Callable[..., Site]


@contextmanager
def running(model: Path, sinks: dict[str, Any] | None = None, **given: Any) -> Iterator[Site]:
    guard = GuardSettings(policies=given.pop("policies", ()), on_error=given.pop("on_error", "allow"))
    given = {"trace_delay_s": 0.02, **given}
    found = Settings(worker=WorkerSettings(model=model, port=0, **given), guard=guard, kafka=None)
    traces, feedback = MemorySink(), MemorySink()
    telemetry = Telemetry("worker", json_logs=True, stream=io.StringIO())
    over, addresses = threading.Event(), Queue[str]()
    with working(
        found,
        telemetry,
        sinks=sinks or {"traces": traces, "feedback": feedback},
        over=over,  # type: ignore[arg-type]
    ) as worker:
        server = threading.Thread(
            target=lambda: serve(worker.app, host="127.0.0.1", port=0, stopped=over, listening=addresses.put)
        )
        server.start()
        try:
            yield Site(worker, addresses.get(timeout=DEADLINE_S), traces, feedback, telemetry, over)
        finally:
            over.set()
            server.join()
    telemetry.close()


def slowed(site: Site) -> threading.Event:
    """Makes a step take a hundredth of a second, until the event is set."""
    scheduler, fast = site.worker.scheduler, threading.Event()
    real = scheduler.decoder

    class Slow:
        slots = real.slots

        def step(self, *given: Any) -> Any:
            fast.wait(0.01)
            return real.step(*given)

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    scheduler.decoder = Slow()  # type: ignore[assignment]
    return fast


def traces(site: Site, count: int) -> list[Trace]:
    """The first traces that were published, as the consumer reads them."""
    assert site.until(lambda: len(site.traces.published) >= count)
    found = []
    for _, value, headers in site.traces.published[:count]:
        limits = Limits(2**22, 2**18, timedelta(days=1), timedelta(hours=1))
        read = decode(Record(Partition("t", 0), 0, value, headers), datetime.now(UTC), limits)
        assert isinstance(read, Decoded), read
        found.append(read.trace)
    return found
