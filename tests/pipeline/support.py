"""What tests of the pipeline share: a pipeline over any store, and a store in trouble."""

from collections.abc import Sequence
from datetime import timedelta

from monitor.events import Event
from monitor.model.record import Progress
from monitor.model.scored import Unit
from monitor.pipeline import Pipeline, Stored
from monitor.ports import TraceStore
from monitor.testing.database import MemoryDatabase
from monitor.testing.stores import MemoryTraceStore
from tests.stores import FIRST, LIMITS, SCORER, START, Stores, adding_up, line, records


def pipeline(store: TraceStore, events: list[Event] | None = None) -> Pipeline:
    emit = (events if events is not None else []).append
    return Pipeline(store, SCORER.score, adding_up, clock=lambda: START, limits=LIMITS, emit=emit)


def ingest(made: Pipeline, lines: Sequence[bytes], *, first: int = 0) -> Stored:
    end = first + len(lines)
    return made.ingest(records(lines, first=first), [Progress(FIRST, first, end, end)])


def ids(stores: Stores) -> list[str]:
    return [item.trace.id for item in stores.baselines().history(where={}, limit=10_000).traces]


def at(number: int) -> bytes:
    return line(number, START + timedelta(seconds=number))


class Troubled(MemoryTraceStore):
    """Raises these errors, one at each of its first commits."""

    def __init__(self, database: MemoryDatabase, errors: Sequence[Exception]) -> None:
        super().__init__(database)
        self.errors = list(errors)

    def commit(self, unit: Unit) -> None:
        if self.errors:
            raise self.errors.pop(0)
        super().commit(unit)
