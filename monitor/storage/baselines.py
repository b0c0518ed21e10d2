"""Baselines in Postgres: learned from stored traces, put in force in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from detectors import wire
from monitor.errors import Permanent, Transient
from monitor.model.alert import Alert
from monitor.model.baseline import Baseline
from monitor.model.record import Partition, PartitionState, Progress
from monitor.model.scored import PaneSum, Scored
from monitor.model.segment import Segment
from monitor.ports import Settle
from monitor.storage import watch_rows
from monitor.storage.alerts import open_drifts, write_change
from monitor.storage.engine import guarded
from monitor.storage.history import pages, read_history
from monitor.storage.panes import add_sums
from monitor.storage.watch_rows import as_watch, write_watch
from monitor.watch import afresh

# The pseudo-partition of sums made for traces that were stored before their baseline was.
BACKFILL = Partition("backfill", 0)


def load_baseline(connection: sa.Connection, loaded: Baseline | None) -> Baseline | None:
    """The baseline in force; the one already loaded if it still is."""
    version = connection.exec_driver_sql("SELECT max(version) FROM baselines").scalar_one()
    if version is None:
        return None
    if loaded is not None and loaded.version == version:
        return loaded
    return read_baseline(connection, version)


def read_baseline(connection: sa.Connection, version: int) -> Baseline:
    row = connection.exec_driver_sql("SELECT * FROM baselines WHERE version = %s", (version,)).one_or_none()
    if row is None:
        raise Permanent(f"there is no baseline {version}")
    sets = connection.exec_driver_sql(
        "SELECT segment, content FROM reference_sets WHERE baseline = %s", (row.version,)
    ).all()
    return Baseline(
        version=row.version,
        space=row.space,
        stack=wire.decode_stack(bytes(row.stack)),
        references={Segment.parse(found.segment): wire.decode_references(bytes(found.content)) for found in sets},
        source=row.source,
        traces=row.traces,
        since=row.since,
        until=row.until,
        judged_from=row.judged_from,
        shaped=tuple(row.shaped),
        builds=tuple(row.builds),
        left_out=tuple(Segment.parse(segment) for segment in row.left_out),
    )


def partition_states(connection: sa.Connection) -> list[PartitionState]:
    found = connection.exec_driver_sql("SELECT * FROM offsets ORDER BY topic, partition")
    return [
        PartitionState(
            Partition(row.topic, row.partition),
            row.next,
            row.end,
            row.event_time,
            row.data_at,
            row.resumed_at,
            row.seen_at,
        )
        for row in found
    ]


class PostgresBaselineStore:
    """Implements the port BaselineStore; ``endpoints`` names the receivers that hear of alerts it settles."""

    def __init__(self, engine: sa.Engine, *, endpoints: Sequence[str] = ()) -> None:
        self.engine, self.endpoints = engine, tuple(endpoints)
        self.loaded: Baseline | None = None

    def baseline(self) -> Baseline | None:
        with guarded(self.engine), self.engine.connect() as connection:
            self.loaded = load_baseline(connection, self.loaded)
        return self.loaded

    def version(self, number: int | None) -> Baseline:
        """A baseline by number; None for the one in force. Raises Permanent where there is none."""
        with guarded(self.engine), self.engine.connect() as connection:
            found = load_baseline(connection, None) if number is None else read_baseline(connection, number)
        if found is None:
            raise Permanent("there is no baseline yet: it is learned from the first traces, or pinned by a person")
        return found

    def count(self, *, after: datetime | None = None) -> int:
        with guarded(self.engine), self.engine.connect() as connection:
            if after is not None:
                return int(
                    connection.exec_driver_sql("SELECT count(*) FROM traces WHERE time > %s", (after,)).scalar_one()
                )
            return int(connection.exec_driver_sql("SELECT coalesce(sum(traces), 0) FROM offsets").scalar_one())

    def space_since(self, space: str) -> datetime | None:
        with guarded(self.engine), self.engine.connect() as connection:
            return connection.exec_driver_sql(
                "SELECT until FROM baselines WHERE version > (SELECT max(version) FROM baselines WHERE space <> %s)"
                " ORDER BY version LIMIT 1",
                (space,),
            ).scalar_one_or_none()

    def partitions(self) -> Sequence[PartitionState]:
        with guarded(self.engine), self.engine.connect() as connection:
            return partition_states(connection)

    def history(self, *, where: Mapping[str, Any], limit: int) -> Scored:
        with guarded(self.engine), self.engine.connect() as connection:
            return read_history(connection, where, limit)

    def activate(self, baseline: Baseline, add_up: Callable[[Scored, Baseline], Sequence[PaneSum]]) -> Baseline:
        """One transaction: the offsets are locked, so no trace falls between what is added up here and by consumers."""
        with guarded(self.engine), self.engine.begin() as connection:
            connection.exec_driver_sql("LOCK TABLE offsets IN SHARE ROW EXCLUSIVE MODE")
            version = connection.exec_driver_sql("SELECT coalesce(max(version), 0) + 1 FROM baselines").scalar_one()
            named = replace(baseline, version=version)
            self.insert(connection, named)
            for number, later in enumerate(pages(connection, {"after": named.judged_from})):
                add_sums(connection, version, add_up(later, named), Progress(BACKFILL, number, number, number))
            connection.exec_driver_sql("UPDATE offsets SET baseline = %s", (version,))
        self.loaded = named
        return named

    def succeed(self, baseline: Baseline, anew: Mapping[Segment, Collection[str]], settle: Settle) -> Baseline:
        """One transaction: consumers wait at the offsets, and judges are done with their claims or begin after it."""
        with guarded(self.engine), self.engine.begin() as connection:
            connection.exec_driver_sql("LOCK TABLE offsets IN SHARE ROW EXCLUSIVE MODE")
            old = baseline.version
            if connection.exec_driver_sql("SELECT max(version) FROM baselines").scalar_one() != old:
                raise Transient(f"baseline {old} is not in force any more")
            named = replace(baseline, version=old + 1)
            watches = connection.exec_driver_sql(
                f"{watch_rows.SELECT} WHERE baseline = %s ORDER BY segment FOR UPDATE", (old,)
            ).all()
            self.insert(connection, named)
            for row in watches:
                watch = as_watch(row)
                write_watch(connection, afresh(watch, named.version, anew.get(watch.segment, ())))
            connection.exec_driver_sql("UPDATE sums SET baseline = %s WHERE baseline = %s", (named.version, old))
            connection.exec_driver_sql("UPDATE offsets SET baseline = %s", (named.version,))
            for change in settle(open_drifts(connection)):
                write_change(connection, change, self.endpoints)
        self.loaded = named
        return named

    def open_drifts(self) -> Sequence[Alert]:
        with guarded(self.engine), self.engine.connect() as connection:
            return open_drifts(connection)

    def start_of_last(self, traces: int) -> datetime | None:
        with guarded(self.engine), self.engine.connect() as connection:
            newest = connection.exec_driver_sql(
                "SELECT time FROM traces ORDER BY time DESC OFFSET %s LIMIT 2", (traces - 1,)
            ).all()
        return newest[0].time if len(newest) > 1 else None

    def insert(self, connection: sa.Connection, baseline: Baseline) -> None:
        stack = wire.encode_stack(baseline.stack)
        sets = {segment: wire.encode_references(found) for segment, found in sorted(baseline.references.items())}
        digest = hashlib.sha256(stack + b"".join(sets.values())).hexdigest()
        lowest, highest = baseline.run_lengths or (None, None)
        connection.exec_driver_sql(
            "INSERT INTO baselines (version, source, space, traces, since, until, judged_from, sha256, stack, shaped,"
            " builds, run_length_lowest, run_length_highest, left_out)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (baseline.version, baseline.source, baseline.space, baseline.traces, baseline.since, baseline.until,
             baseline.judged_from, digest, stack, list(baseline.shaped), list(baseline.builds), lowest, highest,
             [str(segment) for segment in baseline.left_out]),
        )  # fmt: skip
        for segment, content in sets.items():
            count = max(reference.n for reference in baseline.references[segment].values())
            connection.exec_driver_sql(
                "INSERT INTO reference_sets VALUES (%s, %s, %s, %s)", (baseline.version, str(segment), count, content)
            )
