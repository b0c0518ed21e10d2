"""A consumer as ``driftwarden consume`` wires it, that dies or freezes where it is told to.

    python -m tests.delivery.worker ORDERS

Its parts are the real ones; the points to die at are put around them. Vectors come with the traces, so it starts fast.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from monitor.codec import Limits
from monitor.errors import DriftwardenError
from monitor.events import Away, Event, OwnershipLost
from monitor.kafka.config import KafkaConfig
from monitor.kafka.sink import KafkaDeadLetters
from monitor.kafka.source import KafkaSource
from monitor.model.record import Progress, Record
from monitor.model.scored import Unit
from monitor.pipeline import Pipeline, Stored, consume
from monitor.ports import Clock
from monitor.scoring import Scorer, add_up
from monitor.storage import rows
from monitor.storage.engine import connect
from monitor.storage.traces import PostgresTraceStore
from tests.delivery.traffic import DIMENSION, MODEL

WATCHED = ((), ("tenant",))
PANE = timedelta(seconds=60)
# In the order in which a batch passes them.
POINTS = (
    "after_poll",
    "after_score",
    "after_offsets",
    "after_traces",
    "before_commit",
    "after_commit",
    "after_dead_letters",
)
# A session that freezes in its transaction is ended by the server: after 20 s in the product, sooner here.
IDLE_IN_TRANSACTION_MS = 1_500
SESSION_TIMEOUT_S = 1.2
BATCH = 25


class Orders(msgspec.Struct, frozen=True):
    """What a worker is told: where to work, and at which point for the n-th time to die or freeze."""

    name: str
    database_url: str
    bootstrap: str
    topic: str
    journal: str
    point: str = ""
    occurrence: int = 0
    act: Literal["die", "freeze"] = "die"
    compare_and_set: bool = True

    @property
    def config(self) -> KafkaConfig:
        return KafkaConfig(
            self.bootstrap,
            topic=self.topic,
            dead_letter_topic=f"{self.topic}.dlq",
            group_id=self.topic,
            connect_timeout_s=5.0,
            delivery_timeout_s=10.0,
            session_timeout_s=SESSION_TIMEOUT_S,
            max_poll_records=BATCH,
        )


class Note(msgspec.Struct, frozen=True):
    """A line of the journal: ``held`` is the batch in hand, as (partition, next offset)."""

    worker: str
    what: str
    detail: str = ""
    held: tuple[tuple[int, int], ...] = ()


class Fate:
    """Ends or freezes this process when it comes to its point."""

    def __init__(self, orders: Orders) -> None:
        self.orders, self.left = orders, orders.occurrence
        self.held: Sequence[Progress] = ()

    def reach(self, point: str) -> None:
        if point != self.orders.point:
            return
        self.left -= 1
        if self.left == 0:
            held = tuple((step.partition.number, step.next) for step in self.held)
            self.note(self.orders.act, point, held)
            os.kill(os.getpid(), signal.SIGKILL if self.orders.act == "die" else signal.SIGSTOP)

    def note(self, what: str, detail: str = "", held: tuple[tuple[int, int], ...] = ()) -> None:
        line = msgspec.json.encode(Note(self.orders.name, what, detail, held)) + b"\n"
        with Path(self.orders.journal).open("ab", buffering=0) as journal:  # one write is one line, whoever else writes
            journal.write(line)

    def emit(self, event: Event) -> None:
        match event:
            case OwnershipLost(reason=reason):
                self.note("fenced", reason)
            case Away(what=what, reason=reason):
                self.note("away", f"{what}: {reason}")
            case _:
                pass

    def passing(self, point: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, reached through the point."""

        def passed(*arguments: Any) -> Any:
            self.reach(point)
            return function(*arguments)

        return passed


class MortalPipeline(Pipeline):
    def __init__(self, store: PostgresTraceStore, fate: Fate, *, clock: Clock) -> None:
        scorer = Scorer(embedder=None, name=MODEL, dimension=DIMENSION)
        adding = partial(add_up, watched=WATCHED, pane=PANE, limit=200)
        super().__init__(store, self.scored, adding, clock=clock, limits=Limits(), emit=fate.emit)
        self.scorer, self.fate = scorer, fate

    def scored(self, traces: Any) -> Any:
        found = self.scorer.score(traces)
        self.fate.reach("after_score")
        return found

    def ingest(self, records: Sequence[Record], progress: Sequence[Progress]) -> Stored:
        self.fate.held = progress
        self.fate.reach("after_poll")
        return super().ingest(records, progress)


class MortalStore(PostgresTraceStore):
    def __init__(self, engine: sa.Engine, fate: Fate) -> None:
        super().__init__(engine, idle_after=timedelta(seconds=3))
        self.fate = fate

    def write(self, connection: sa.Connection, unit: Unit) -> None:
        self.fate.reach("after_offsets")
        super().write(connection, unit)
        self.fate.reach("before_commit")

    def commit(self, unit: Unit) -> None:
        super().commit(unit)
        self.fate.reach("after_commit")

    def forwarded(self, ids: Sequence[int], at: datetime) -> None:
        self.fate.reach("after_dead_letters")
        super().forwarded(ids, at)


class UncomparedStore(MortalStore):
    """The ablation: offsets are set without being compared, whoever moved them since."""

    def advance_offsets(self, connection: sa.Connection, unit: Unit) -> None:
        found = connection.exec_driver_sql("SELECT topic, partition, next FROM offsets ORDER BY 1, 2 FOR UPDATE")
        stands = {(row.topic, row.partition): row.next for row in found}
        progress = [replace(s, first=stands[s.partition.topic, s.partition.number]) for s in unit.progress]
        super().advance_offsets(connection, replace(unit, progress=progress))


def shorten_patience(connection: Any, _record: Any) -> None:
    connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS}")
    connection.commit()


def run(orders: Orders) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    fate = Fate(orders)
    engine = connect(orders.database_url)
    sa.event.listen(engine, "connect", shorten_patience)
    store = (MortalStore if orders.compare_and_set else UncomparedStore)(engine, fate)
    rows.note_builds = fate.passing("after_traces", rows.note_builds)
    pipeline = MortalPipeline(store, fate, clock=lambda: datetime.now(UTC))
    source = KafkaSource(orders.config, emit=fate.emit)
    dead_letters = KafkaDeadLetters(orders.config)
    try:
        consume(source, store, pipeline, dead_letters, stop.is_set)
    finally:
        source.close()
        dead_letters.close()


def main() -> None:
    orders = msgspec.json.decode(sys.argv[1], type=Orders)
    try:
        run(orders)
    except DriftwardenError as error:
        sys.exit(f"{orders.name}: {error}")


if __name__ == "__main__":
    main()
