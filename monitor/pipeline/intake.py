"""Traces that come in without a broker: the same pipeline, the request waiting for the commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from monitor.errors import Fenced, Transient
from monitor.model.record import Partition, Progress, Record
from monitor.pipeline.batch import Pipeline, Stored
from monitor.ports import TraceStore

HTTP = Partition("http", 0)
ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a request's lines; the offsets of rejects count from ``first``."""

    first: int
    stored: Stored


class Intake:
    """One writer at a time in this process; others are fenced off by the offset, and tried again."""

    def __init__(self, store: TraceStore, pipeline: Pipeline) -> None:
        self.store, self.pipeline, self.lock = store, pipeline, Lock()

    def take(self, lines: Sequence[bytes]) -> Taken:
        """Stores the lines, one trace each. Raises Transient where the store is away; then nothing is stored."""
        with self.lock:
            for _ in range(ATTEMPTS):
                first = self.store.positions({HTTP: 0})[HTTP]
                records = [Record(HTTP, first + i, line, {}) for i, line in enumerate(lines)]
                end = first + len(lines)
                try:
                    return Taken(first, self.pipeline.ingest(records, [Progress(HTTP, first, end, end)]))
                except Fenced:
                    continue
        raise Transient("too many writers at once over HTTP: try again")
