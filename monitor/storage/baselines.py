"""Baselines in Postgres: learned from stored traces, put in force in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import zip_longest
from typing import Any

import msgspec
import numpy as np
import sqlalchemy as sa

from detectors import wire
from monitor.codec import unpack_float16
from monitor.errors import Permanent
from monitor.model.baseline import Baseline
from monitor.model.decoded import Decoded
from monitor.model.record import Partition, PartitionState, Progress, Record
from monitor.model.scored import PaneSum, Scored
from monitor.model.segment import Segment
from monitor.model.signal import KINDS, Column
from monitor.model.trace import Trace
from monitor.ports import Key
from monitor.storage.engine import guarded
from monitor.storage.panes import add_sums
from monitor.storage.places import Places, read_places

# The pseudo-partition of sums made for traces that were stored before their baseline was.
BACKFILL = Partition("backfill", 0)
# So many traces are in memory at once while those that a new baseline judges are added up.
PAGE = 5_000

HISTORY = """
    SELECT t.topic, t.partition, t."offset", t.record::text AS record, t.prompt_embedding, t.response_embedding,
        t.scalars, t.categories
    FROM traces AS t
    WHERE (%(build)s::text IS NULL OR t.build = %(build)s)
    AND (%(since)s::timestamptz IS NULL OR t.time >= %(since)s)
    AND (%(after)s::timestamptz IS NULL OR t.time > %(after)s)
    AND (%(until)s::timestamptz IS NULL OR t.time < %(until)s)
    AND (%(last)s::timestamptz IS NULL OR (t.time, t.tenant, t.id) > (%(last)s, %(last_tenant)s, %(last_id)s))
    ORDER BY t.time, t.tenant, t.id LIMIT %(limit)s
"""


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


def read_history(connection: sa.Connection, where: Mapping[str, Any], limit: int, *, last: Key | None = None) -> Scored:
    """Stored traces by event time; ``where`` may hold build, since (from), after (later than) and until (before).

    ``last`` is the key of the last trace of the page before.
    """
    tenant, name, time = last or ("", "", None)
    page = {"limit": limit, "last": time, "last_tenant": tenant, "last_id": name}
    asked = {"build": None, "since": None, "after": None, "until": None, **where, **page}
    return as_scored(connection.exec_driver_sql(HISTORY, asked).all(), read_places(connection))


def as_scored(rows: Sequence[sa.Row[tuple[object, ...]]], places: Places) -> Scored:
    """Stored traces with their signals, without scores and the bytes they came in."""
    decoder = msgspec.json.Decoder(Trace)
    traces = [
        Decoded(Record(Partition(row.topic, row.partition), row.offset, b"", {}), decoder.decode(row.record), b"", {})
        for row in rows
    ]
    return Scored(traces, history_columns(rows, places), {})


def pages(connection: sa.Connection, where: Mapping[str, Any]) -> Iterator[Scored]:
    """All stored traces by event time, the last page being a short one."""
    last: Key | None = None
    while True:
        found = read_history(connection, where, PAGE, last=last)
        yield found
        if len(found) < PAGE:
            return
        last = found.traces[-1].trace.key


def history_columns(rows: Sequence[sa.Row[tuple[object, ...]]], places: Places) -> dict[str, Column]:
    """The signals of stored traces; a trace older than a signal's place lacks it."""
    scalars = dict(zip(places.scalars, zip_longest(*(row.scalars for row in rows), fillvalue=np.nan), strict=False))
    categories = dict(zip(places.categories, zip_longest(*(row.categories for row in rows)), strict=False))
    columns: dict[str, Column] = {}
    for name, kind in KINDS.items():
        match kind:
            case "scalar":
                columns[name] = np.array(scalars.get(name, [np.nan] * len(rows)), float)
            case "category":
                columns[name] = list(categories.get(name, [None] * len(rows)))
            case _:
                pass
    for name in ("prompt.embedding", "response.embedding"):
        packed = [getattr(row, name.replace(".", "_")) for row in rows]
        size = next((len(row) // 2 for row in packed if row is not None), 0)
        if size:
            columns[name] = unpack_float16(packed, size)
    prompts, responses = columns.get("prompt.embedding"), columns.get("response.embedding")
    if isinstance(prompts, np.ndarray) and isinstance(responses, np.ndarray):
        columns["relation"] = np.hstack([prompts, responses])
    return columns


class PostgresBaselineStore:
    """Implements the port BaselineStore."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
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

    def insert(self, connection: sa.Connection, baseline: Baseline) -> None:
        stack = wire.encode_stack(baseline.stack)
        sets = {segment: wire.encode_references(found) for segment, found in sorted(baseline.references.items())}
        digest = hashlib.sha256(stack + b"".join(sets.values())).hexdigest()
        lowest, highest = baseline.run_lengths or (None, None)
        connection.exec_driver_sql(
            "INSERT INTO baselines (version, source, space, traces, since, until, judged_from, sha256, stack, shaped,"
            " builds, run_length_lowest, run_length_highest)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (baseline.version, baseline.source, baseline.space, baseline.traces, baseline.since, baseline.until,
             baseline.judged_from, digest, stack, list(baseline.shaped), list(baseline.builds), lowest, highest),
        )  # fmt: skip
        for segment, content in sets.items():
            count = max(reference.n for reference in baseline.references[segment].values())
            connection.exec_driver_sql(
                "INSERT INTO reference_sets VALUES (%s, %s, %s, %s)", (baseline.version, str(segment), count, content)
            )
