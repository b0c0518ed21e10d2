"""The consumer's side of the store: a batch and its offsets in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from monitor.errors import Fenced, Repeated, Stale
from monitor.model.baseline import Baseline
from monitor.model.feedback import opinions_of
from monitor.model.record import Partition, Progress, StoredReject
from monitor.model.scored import Scored, Unit
from monitor.ports import Key
from monitor.storage import feedback, rows
from monitor.storage.baselines import load_baseline
from monitor.storage.engine import guarded
from monitor.storage.panes import add_sums
from monitor.storage.places import Places, give_places
from monitor.storage.rejects import PostgresRejects


class PostgresTraceStore:
    """Implements the port TraceStore."""

    def __init__(self, engine: sa.Engine, *, idle_after: timedelta = timedelta(seconds=30)) -> None:
        self.engine, self.idle_after = engine, idle_after
        self.loaded: Baseline | None = None
        self.places = Places((), ())

    def positions(self, partitions: Mapping[Partition, int]) -> Mapping[Partition, int]:
        found = {}
        with guarded(self.engine), self.engine.begin() as connection:
            # Waits for a baseline that is being put in force: a partition must not begin with the one before it.
            connection.exec_driver_sql("LOCK TABLE offsets IN ROW EXCLUSIVE MODE")
            version = connection.exec_driver_sql("SELECT coalesce(max(version), 0) FROM baselines").scalar_one()
            for partition, first in partitions.items():
                # Updating to itself makes the row come back whether it was there or not.
                found[partition] = connection.exec_driver_sql(
                    "INSERT INTO offsets (topic, partition, next, baseline) VALUES (%s, %s, %s, %s)"
                    " ON CONFLICT (topic, partition) DO UPDATE SET next = offsets.next RETURNING next",
                    (partition.topic, partition.number, first, version),
                ).scalar_one()
        return found

    def baseline(self) -> Baseline | None:
        with guarded(self.engine), self.engine.connect() as connection:
            self.loaded = load_baseline(connection, self.loaded)
        return self.loaded

    def commit(self, unit: Unit) -> None:
        with guarded(self.engine):
            self.learn_places(unit.scored)
            try:
                with self.engine.begin() as connection:
                    self.advance_offsets(connection, unit)
                    self.write(connection, unit)
            except (DBAPIError, psycopg.Error) as error:
                cause = error.orig if isinstance(error, DBAPIError) else error
                if isinstance(cause, psycopg.errors.UniqueViolation):
                    raise Repeated(str(cause).strip().splitlines()[0]) from error
                raise

    def learn_places(self, scored: Scored) -> None:
        """Signals never stored before get their places first, so that a batch that is undone takes none back."""
        if not self.places.hold(scored):
            with self.engine.begin() as connection:
                self.places = give_places(connection, scored)

    def advance_offsets(self, connection: sa.Connection, unit: Unit) -> None:
        """Compare-and-set: whoever moved the offset since we read it, or changed the baseline, stops us here."""
        counts = rows.counts_by_partition(unit)
        now, quiet_since = unit.received_at, unit.received_at - self.idle_after
        for step in sorted(unit.progress, key=lambda step: (step.partition.topic, step.partition.number)):
            place = (step.partition.topic, step.partition.number)
            count = counts[step.partition]
            moved = connection.exec_driver_sql(
                'UPDATE offsets SET next = %s, "end" = greatest("end", %s), event_time = greatest(event_time, %s),'
                " resumed_at = CASE WHEN data_at < %s THEN %s ELSE resumed_at END, data_at = %s, seen_at = %s,"
                " traces = traces + %s, repeats = repeats + %s, rejects = rejects + %s"
                " WHERE topic = %s AND partition = %s AND next = %s AND baseline = %s",
                (step.next, step.end, count.event_time, quiet_since, now, now, now,
                 count.traces, count.repeats, count.rejects, *place, step.first, unit.baseline),
            )  # fmt: skip
            if moved.rowcount != 1:
                raise self.why_not_moved(connection, step, unit.baseline)

    def why_not_moved(self, connection: sa.Connection, step: Progress, baseline: int) -> Fenced | Stale:
        topic, number = step.partition.topic, step.partition.number
        row = connection.exec_driver_sql(
            "SELECT next, baseline FROM offsets WHERE topic = %s AND partition = %s", (topic, number)
        ).one_or_none()
        if row is not None and row.next == step.first:
            return Stale(f"baseline {baseline} was replaced by {row.baseline}")
        stands = "unknown" if row is None else str(row.next)
        return Fenced(f"{topic}/{number}: read from {step.first}, but the stored offset is {stands}")

    def write(self, connection: sa.Connection, unit: Unit) -> None:
        if len(unit.scored):
            rows.copy_traces(connection, unit, self.places)
        if unit.rejects:
            rows.copy_rejects(connection, unit)
        if unit.sums:
            add_sums(connection, unit.baseline, unit.sums, unit.progress[0])
        opinions = opinions_of(item.trace for item in unit.scored.traces)
        if opinions:
            feedback.insert(connection, opinions, unit.received_at)
        if len(unit.scored):
            rows.note_builds(connection, unit.scored)  # last: its rows are hot

    def known(self, keys: Sequence[Key]) -> set[Key]:
        if not keys:
            return set()
        tenants, ids, times = (list(column) for column in zip(*keys, strict=True))
        with guarded(self.engine), self.engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT tenant, id, time FROM traces"
                " JOIN unnest(%s::text[], %s::text[], %s::timestamptz[]) AS asked (tenant, id, time)"
                " USING (tenant, id, time)",
                (tenants, ids, times),
            )
            return {(row.tenant, row.id, row.time) for row in found}

    def unstorable(self, scored: Scored, received_at: datetime) -> Mapping[int, str]:
        """Tries each trace by itself and undoes it; returns what the database says of those it will not take."""
        found = {}
        with guarded(self.engine), self.engine.connect() as connection:
            self.learn_places(scored)
            for i in range(len(scored)):
                alone = scored.at([i])
                unit = Unit([], alone, [], {}, [], 0, received_at)
                attempt = connection.begin_nested()
                try:
                    rows.copy_traces(connection, unit, self.places)
                except (DBAPIError, psycopg.Error) as error:
                    cause = error.orig if isinstance(error, DBAPIError) else error
                    if isinstance(cause, psycopg.errors.UniqueViolation):
                        continue  # a repeat, which the next commit will find
                    if not isinstance(cause, psycopg.DataError):
                        raise
                    found[i] = str(cause).strip().splitlines()[0]
                finally:
                    attempt.rollback()
        return found

    def seen(self, progress: Sequence[Progress], at: datetime) -> None:
        with guarded(self.engine), self.engine.begin() as connection:
            for step in sorted(progress, key=lambda step: (step.partition.topic, step.partition.number)):
                connection.exec_driver_sql(
                    'UPDATE offsets SET seen_at = greatest(seen_at, %s), "end" = greatest("end", %s)'
                    " WHERE topic = %s AND partition = %s AND next = %s",
                    (at, step.end, step.partition.topic, step.partition.number, step.next),
                )

    def skip_gap(self, partition: Partition, expected: int, earliest: int, at: datetime) -> None:
        """Records that offsets ``expected`` to before ``earliest`` are gone, and goes on behind them."""
        with guarded(self.engine), self.engine.begin() as connection:
            moved = connection.exec_driver_sql(
                # A log that begins before what we know of was made anew: its old end means nothing.
                'UPDATE offsets SET next = %s, "end" = CASE WHEN %s < next THEN %s ELSE "end" END'
                " WHERE topic = %s AND partition = %s AND next = %s",
                (earliest, earliest, earliest, partition.topic, partition.number, expected),
            )
            if moved.rowcount == 1:
                connection.exec_driver_sql(
                    "INSERT INTO offset_gaps (topic, partition, first_missing, resumed_at_offset, noticed_at)"
                    " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (topic, partition, first_missing)"
                    " DO UPDATE SET resumed_at_offset = excluded.resumed_at_offset, noticed_at = excluded.noticed_at,"
                    " told = false",
                    (partition.topic, partition.number, expected, earliest, at),
                )

    def waiting_rejects(self, limit: int) -> Sequence[StoredReject]:
        return PostgresRejects(self.engine).waiting(limit)

    def forwarded(self, ids: Sequence[int], at: datetime) -> None:
        PostgresRejects(self.engine).forwarded(ids, at)
