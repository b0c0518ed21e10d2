"""The state of reading in Postgres, one process at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from monitor.model.alert import OFFSET_GAP, STALLED, Change
from monitor.model.record import Gap, Partition
from monitor.ports import IngestTurn
from monitor.storage.alerts import open_alert, stored_alert, write_change
from monitor.storage.baselines import partition_states
from monitor.storage.engine import guarded

# Any number, the same for all: whoever holds it looks after the alerts about reading.
LOCK = 7_310_468


class PostgresIngestStore:
    """Implements the port IngestStore."""

    def __init__(self, engine: sa.Engine, *, endpoints: Sequence[str] = ()) -> None:
        self.engine, self.endpoints = engine, tuple(endpoints)
        self.held: sa.Connection | None = None

    @contextmanager
    def turn(self) -> Iterator[IngestTurn | None]:
        with guarded(self.engine), self.engine.begin() as connection:
            if not connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({LOCK})").scalar_one():
                yield None
                return
            self.held = connection
            try:
                yield self.read(connection)
            finally:
                self.held = None

    def read(self, connection: sa.Connection) -> IngestTurn:
        gaps = connection.exec_driver_sql("SELECT * FROM offset_gaps WHERE NOT told ORDER BY noticed_at").all()
        acknowledged = connection.exec_driver_sql(
            "SELECT * FROM alerts WHERE status = 'acknowledged' AND labels ->> 'kind' = %s", (OFFSET_GAP,)
        ).all()
        return IngestTurn(
            partitions=partition_states(connection),
            gaps=[
                Gap(Partition(row.topic, row.partition), row.first_missing, row.resumed_at_offset, row.noticed_at)
                for row in gaps
            ],
            stalled=open_alert(connection, STALLED),
            acknowledged_gaps=[stored_alert(row) for row in acknowledged],
        )

    def tell(self, turn: IngestTurn, changes: Sequence[Change]) -> None:
        connection = self.held
        assert connection is not None, "tell belongs inside the turn's block"
        for change in changes:
            write_change(connection, change, self.endpoints)
        for gap in turn.gaps:
            connection.exec_driver_sql(
                "UPDATE offset_gaps SET told = true WHERE topic = %s AND partition = %s AND first_missing = %s",
                (gap.partition.topic, gap.partition.number, gap.first),
            )
