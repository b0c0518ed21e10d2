"""Publishes the demo's traces in order of time, never far ahead of what is stored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from monitor.errors import DriftwardenError
from monitor.importing.publishing import HEADERS
from monitor.model.trace import Trace
from monitor.ports import Sink

TOGETHER = 20
AHEAD = 140
POLL_S = 0.1


@dataclass(slots=True)
class Publisher:
    """What went so far; as a service's own traffic would, it reaches all partitions at about the same time.

    A log that is read from its beginning does not: one partition may be read to its end before another is begun, and
    panes close only when all have passed them. That is right, but nothing to watch.
    """

    traces: Sequence[Trace]
    sink: Sink
    stored: Callable[[], int]
    published: int = 0
    failure: DriftwardenError | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            for first in range(0, len(self.traces), TOGETHER):
                if not self.has_room():
                    return
                for trace in self.traces[first : first + TOGETHER]:
                    self.sink.send(trace.id.encode(), msgspec.json.encode(trace), HEADERS)
                self.published = min(first + TOGETHER, len(self.traces))
                self.sink.flush()
        except DriftwardenError as error:
            self.failure = error

    def has_room(self) -> bool:
        """Waits until little enough is under way; False when it is time to stop."""
        while not self.stopping.is_set():
            if self.published - self.stored() < AHEAD:
                return True
            self.stopping.wait(POLL_S)
        return False

    def check(self) -> None:
        """Raises what the publishing thread met."""
        if self.failure is not None:
            raise self.failure


@contextmanager
def publishing(traces: Sequence[Trace], sink: Sink, stored: Callable[[], int]) -> Iterator[Publisher]:
    """Publishes in a thread that ends with the block."""
    publisher = Publisher(traces, sink, stored)
    thread = threading.Thread(target=publisher.run, daemon=True)
    thread.start()
    try:
        yield publisher
    finally:
        publisher.stopping.set()
        thread.join()
