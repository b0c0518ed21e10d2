"""A unit's rows, sent by binary COPY."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import numpy as np
import psycopg
import sqlalchemy as sa

from detectors.score import Score
from monitor.codec import pack_float16
from monitor.model.build import build_of
from monitor.model.record import Partition
from monitor.model.scored import Scored, Unit
from monitor.model.segment import label_value
from monitor.model.signal import KINDS, Column
from monitor.storage.engine import Json

TRACE_COLUMNS = {
    "time": "timestamptz", "tenant": "text", "id": "text", "build": "text", "model": "text",
    "prompt_template": "text", "environment": "text", "user_id": "text", "session_id": "text", "trace_id": "text",
    "span_id": "text", "received_at": "timestamptz", "topic": "text", "partition": "int4", '"offset"': "int8",
    "record": "jsonb", "prompt_embedding": "bytea", "response_embedding": "bytea",
}  # fmt: skip
SCORE_COLUMNS = {"time": "timestamptz", "tenant": "text", "id": "text", "signals": "jsonb", "scores": "jsonb"}
REJECT_COLUMNS = {
    "received_at": "timestamptz", "topic": "text", "partition": "int4", '"offset"': "int8", "reason": "text",
    "message": "text", "headers": "jsonb", "key": "bytea", "value": "bytea",
}  # fmt: skip

encode = msgspec.json.Encoder().encode


def driver(connection: sa.Connection) -> psycopg.Connection[Any]:
    """psycopg's connection under SQLAlchemy's: COPY is its alone."""
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def copy_rows(connection: sa.Connection, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
    """Sends rows by binary COPY; all or none of them arrive."""
    with (
        driver(connection).cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)


def copy_traces(connection: sa.Connection, unit: Unit) -> None:
    scored = unit.scored
    vectors = [packed(scored, name) for name in ("prompt.embedding", "response.embedding")]
    copy_rows(connection, "traces", TRACE_COLUMNS, trace_rows(unit, *vectors))


def packed(scored: Scored, name: str) -> list[bytes | None]:
    column = scored.columns.get(name)
    return pack_float16(column) if isinstance(column, np.ndarray) else [None] * len(scored)


def trace_rows(
    unit: Unit, prompts: Sequence[bytes | None], responses: Sequence[bytes | None]
) -> Iterable[Sequence[Any]]:
    for item, prompt, response in zip(unit.scored.traces, prompts, responses, strict=True):
        trace, record = item.trace, item.record
        labels = trace.segment
        yield (
            trace.time, trace.tenant, trace.id, build_of(trace), trace.model.name,
            label_value(trace, "prompt_template"), trace.service.environment, labels.user_id,
            labels.session_id, trace.trace_id, trace.span_id,
            unit.received_at, record.partition.topic, record.partition.number, record.offset, Json(item.body),
            prompt, response,
        )  # fmt: skip


def copy_scores(connection: sa.Connection, scored: Scored) -> None:
    signals = signals_of(scored.columns, len(scored))
    copy_rows(
        connection,
        "scores",
        SCORE_COLUMNS,
        (
            (item.trace.time, item.trace.tenant, item.trace.id, Json(encode(values)), Json(encode(plain(scores))))
            for item, values, scores in zip(scored.traces, signals, score_rows(scored), strict=True)
        ),
    )


def signals_of(columns: Mapping[str, Column], count: int) -> list[dict[str, float | str]]:
    """The scalar and categorical signals of each trace; a missing value is left out."""
    found: list[dict[str, float | str]] = [{} for _ in range(count)]
    for name, column in columns.items():
        match KINDS[name]:
            case "scalar":
                values = np.asarray(column, float)
                for place in np.flatnonzero(np.isfinite(values)).tolist():
                    found[place][name] = values.item(place)
            case "category":
                for place, label in enumerate(column):
                    if label is not None:
                        found[place][name] = str(label)
            case _:
                pass
    return found


def score_rows(scored: Scored) -> list[dict[str, Score]]:
    """The scores of each trace by name."""
    rows = zip(*scored.scores.values(), strict=True) if scored.scores else [()] * len(scored)
    return [dict(zip(scored.scores, row, strict=True)) for row in rows]


def plain(scores: Mapping[str, Score]) -> dict[str, dict[str, Any]]:
    return {
        name: {"value": score.value, "status": "ok", "spans": score.spans}
        if score.status == "ok"
        else {"status": score.status, "reason": score.reason}
        for name, score in scores.items()
    }


def copy_rejects(connection: sa.Connection, unit: Unit) -> None:
    copy_rows(
        connection,
        "rejects",
        REJECT_COLUMNS,
        (
            (
                unit.received_at, reject.record.partition.topic, reject.record.partition.number, reject.record.offset,
                reject.reason, reject.message[:2000].replace("\0", "\ufffd"),
                Json(encode(printable(reject.record.headers))), reject.record.key, reject.record.value,
            )
            for reject in unit.rejects
        ),
    )  # fmt: skip


def printable(headers: Mapping[str, bytes]) -> dict[str, str]:
    """Header bytes as Latin-1, which has a character for each byte; NUL can't be stored and becomes a blank."""
    return {name.replace("\0", " "): value.decode("latin-1").replace("\0", " ") for name, value in headers.items()}


def note_builds(connection: sa.Connection, scored: Scored) -> None:
    """Keeps first and last sight of each build that answered; rows in order, so that two consumers never deadlock."""
    found: dict[str, list[Any]] = {}
    for item in scored.traces:
        trace = item.trace
        entry = found.setdefault(build_of(trace), [trace, trace.time, trace.time, 0])
        entry[1], entry[2], entry[3] = min(entry[1], trace.time), max(entry[2], trace.time), entry[3] + 1
    for build, (trace, first, last, count) in sorted(found.items()):
        template = None if trace.prompt_template is None else Json(encode(trace.prompt_template))
        connection.exec_driver_sql(
            "INSERT INTO builds VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (build) DO UPDATE SET"
            " first_seen = least(builds.first_seen, excluded.first_seen),"
            " last_seen = greatest(builds.last_seen, excluded.last_seen), traces = builds.traces + excluded.traces",
            (build, Json(encode(trace.model)), template, first, last, count),
        )


@dataclass(slots=True)
class Counts:
    traces: int = 0
    repeats: int = 0
    rejects: int = 0
    event_time: datetime | None = None


def counts_by_partition(unit: Unit) -> Mapping[Partition, Counts]:
    counts: dict[Partition, Counts] = defaultdict(Counts)
    for item in unit.scored.traces:
        count = counts[item.record.partition]
        count.traces += 1
        count.event_time = max(count.event_time or datetime.min.replace(tzinfo=UTC), item.trace.time)
    for partition, repeats in unit.repeats.items():
        counts[partition].repeats += repeats
    for reject in unit.rejects:
        counts[reject.record.partition].rejects += 1
    return counts
