"""The judge's side of the store: one segment's watch, its panes and what comes of them, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec
import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from detectors import wire
from detectors.base import Sum
from monitor.model.alert import Alert, Change
from monitor.model.baseline import Baseline
from monitor.model.record import PartitionState
from monitor.model.scored import Scored
from monitor.model.segment import Segment
from monitor.model.verdict import Verdict
from monitor.ports import Claim
from monitor.storage import panes, watch_rows
from monitor.storage.alerts import canary_alerts, open_alert, take_turn, write_change
from monitor.storage.baselines import load_baseline, partition_states
from monitor.storage.engine import Json, guarded
from monitor.storage.lagged import read_lagged, write_lagged
from monitor.storage.rollup import roll_up
from monitor.storage.rows import copy_rows
from monitor.storage.samples import read_sample
from monitor.storage.watch_rows import as_watch, write_watch
from monitor.watch import Watch

VERDICT_COLUMNS = {
    "pane": "timestamptz", "segment": "text", "signal": "text", "baseline": "int4", "n": "float8",
    "effect_kind": "text", "effect": "float8", "reference_value": "float8", "current_value": "float8",
    "log_e": "float8", "log_threshold": "float8", "drifted": "bool", "onset": "timestamptz", "shares": "jsonb",
    "reference": "text",
}  # fmt: skip

encode = msgspec.json.Encoder(order="sorted").encode


class PostgresWatchStore:
    """Implements the port WatchStore; ``endpoints`` names the receivers that every message is for."""

    def __init__(self, engine: sa.Engine, *, endpoints: Sequence[str] = ()) -> None:
        self.engine = engine
        self.endpoints = tuple(endpoints)
        self.loaded: Baseline | None = None
        self.loaded_lagged: Sequence[Baseline] = ()
        self.held: sa.Connection | None = None

    def partitions(self) -> Sequence[PartitionState]:
        with guarded(self.engine), self.engine.connect() as connection:
            return partition_states(connection)

    def baseline(self) -> Baseline | None:
        with guarded(self.engine), self.engine.connect() as connection:
            self.loaded = load_baseline(connection, self.loaded)
        return self.loaded

    def ready(self, baseline: Baseline, closed: datetime) -> Sequence[Segment]:
        with guarded(self.engine), self.engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT DISTINCT segment FROM sums WHERE baseline = %s AND pane < %s", (baseline.version, closed)
            )
            return sorted(Segment.parse(row.segment) for row in found)

    @contextmanager
    def claim(self, baseline: Baseline, segment: Segment, closed: datetime) -> Iterator[Claim | None]:
        key = (baseline.version, str(segment))
        with guarded(self.engine), self.engine.begin() as connection:
            # By itself: a judge that finds the row new and locked would wait for the other's whole claim.
            connection.exec_driver_sql(
                "INSERT INTO watches (baseline, segment, judged_until, state) VALUES (%s, %s, '-infinity', %s)"
                " ON CONFLICT DO NOTHING",
                (*key, wire.encode_memories({})),
            )
        # In one snapshot: what consumers add to a pane after it was read must outlive the deletion of what was read.
        snapshot = self.engine.execution_options(isolation_level="REPEATABLE READ")
        with guarded(self.engine), snapshot.begin() as connection:
            self.held = connection
            try:
                yield self.claimed(connection, baseline, segment, closed)
            finally:
                self.held = None

    def claimed(
        self, connection: sa.Connection, baseline: Baseline, segment: Segment, closed: datetime
    ) -> Claim | None:
        key = (baseline.version, str(segment))
        try:
            row = connection.exec_driver_sql(
                f"{watch_rows.SELECT} WHERE baseline = %s AND segment = %s FOR UPDATE SKIP LOCKED", key
            ).one_or_none()
        except DBAPIError as error:
            if isinstance(error.orig, psycopg.errors.SerializationFailure):
                return None  # another judge was done with it between our snapshot and our lock
            raise
        if row is None:
            return None
        due = panes.open_panes(connection, baseline.version, segment, closed)
        watch = as_watch(row)
        late = {start: total for start, total in due.items() if watch.judged_until and start < watch.judged_until}
        if late:
            self.set_late_aside(connection, key, late)
        fresh = {start: total for start, total in due.items() if start not in late}
        return Claim(watch, fresh) if fresh else None

    def set_late_aside(self, connection: sa.Connection, key: tuple[int, str], late: Mapping[datetime, Sum]) -> None:
        """Traces of panes that were judged already are stored and counted, but change no verdict."""
        connection.exec_driver_sql(
            "UPDATE watches SET late = late + %s WHERE baseline = %s AND segment = %s",
            (sum(total.n for total in late.values()), *key),
        )
        connection.exec_driver_sql(
            "DELETE FROM sums WHERE baseline = %s AND segment = %s AND pane <= %s", (*key, max(late))
        )

    def parts(self, baseline: Baseline, since: datetime, until: datetime) -> Mapping[Segment, Sum]:
        if self.held is not None:
            return panes.parts(self.held, baseline.version, since, until)
        with guarded(self.engine), self.engine.connect() as connection:
            return panes.parts(connection, baseline.version, since, until)

    def sample(self, segment: Segment, spans: Sequence[tuple[datetime, datetime]], limit: int) -> Scored:
        if self.held is not None:
            return read_sample(self.held, segment, spans, limit)
        with guarded(self.engine), self.engine.connect() as connection:
            return read_sample(connection, segment, spans, limit)

    def alert(self, labels: Mapping[str, str]) -> Alert | None:
        if self.held is not None:
            return open_alert(self.held, labels)
        with guarded(self.engine), self.engine.connect() as connection:
            return open_alert(connection, labels)

    def canary_alerts(self, since: datetime, *, over: datetime) -> Sequence[Alert]:
        if self.held is not None:
            take_turn(self.held)
        # Not by the claim's connection: its snapshot may be from before an alert of a moment ago.
        with guarded(self.engine), self.engine.connect() as connection:
            return canary_alerts(connection, since, over)

    def lagged(self, baseline: Baseline) -> Sequence[Baseline]:
        with guarded(self.engine), self.engine.connect() as connection:
            self.loaded_lagged = read_lagged(connection, baseline, self.loaded_lagged)
        return self.loaded_lagged

    def add_lagged(self, lagged: Baseline) -> None:
        with guarded(self.engine), self.engine.begin() as connection:
            write_lagged(connection, lagged)

    def judged(self, baseline: Baseline) -> Iterator[tuple[Segment, Mapping[datetime, Sum]]]:
        with guarded(self.engine), self.engine.connect() as connection:
            segments = panes.judged_segments(connection, baseline.version)
        for segment in segments:  # a connection each: who asks may take long over one
            with guarded(self.engine), self.engine.connect() as connection:
                found = panes.judged(connection, baseline.version, segment)
            yield segment, found

    def roll_up(self, now: datetime) -> int:
        with guarded(self.engine), self.engine.begin() as connection:
            return roll_up(connection, now)

    def record(self, claim: Claim, watch: Watch, verdicts: Sequence[Verdict], changes: Sequence[Change]) -> None:
        connection = self.held
        assert connection is not None, "record belongs inside the claim's block"
        panes.close_panes(connection, watch.baseline, watch.segment, claim.panes)
        write_watch(connection, watch)
        copy_rows(connection, "verdicts", VERDICT_COLUMNS, map(verdict_row, verdicts))
        for change in changes:
            write_change(connection, change, self.endpoints)


def verdict_row(verdict: Verdict) -> tuple[object, ...]:
    effect = verdict.effect
    return (
        verdict.pane, str(verdict.segment), verdict.signal, verdict.baseline, verdict.n, effect.kind, effect.value,
        effect.reference, effect.now, verdict.log_e, verdict.log_threshold, verdict.drifted, verdict.onset,
        Json(encode(verdict.shares)), verdict.reference,
    )  # fmt: skip
