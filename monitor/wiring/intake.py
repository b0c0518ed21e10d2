"""Traces over HTTP, wired when the first one comes."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from monitor.pipeline import Intake
from monitor.ports import Emit
from monitor.settings import Settings
from monitor.web.ingest import IngestAnswer
from monitor.wiring.parts import pipeline, trace_store


class LazyIntake:
    """Loads the encoder at the first trace that comes in over HTTP, not at the start."""

    def __init__(self, found: Settings, database: sa.Engine, emit: Emit) -> None:
        self.found, self.database, self.emit = found, database, emit
        self.lock = threading.Lock()
        self.intake: Intake | None = None

    def __call__(self, body: bytes, content_type: str) -> IngestAnswer:
        with self.lock:
            if self.intake is None:
                store = trace_store(self.found, self.database)
                self.intake = Intake(store, pipeline(self.found, store, self.emit))
        if "ndjson" in content_type:
            numbered = [(i, line) for i, line in enumerate(body.splitlines(), start=1) if line.strip()]
        else:
            numbered = [(1, body)]
        if not numbered:
            return IngestAnswer(0, 0, [])
        taken = self.intake.take([line for _, line in numbered])
        rejected = [
            (numbered[reject.record.offset - taken.first][0], reject.reason, reject.message)
            for reject in taken.stored.rejects
        ]
        return IngestAnswer(taken.stored.traces, taken.stored.repeats, rejected)
