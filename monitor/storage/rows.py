"""A unit's rows, sent by binary COPY."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import msgspec
import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from detectors.score import Claim, Score, Span, Status
from monitor.codec import pack_float16
from monitor.model.build import build_of
from monitor.model.decoded import Decoded
from monitor.model.record import Partition, Reject
from monitor.model.scored import Scored, Unit, common
from monitor.model.segment import label_value
from monitor.model.trace import Trace
from monitor.storage.copying import (
    NULL,
    bigint,
    column,
    copy_columns,
    double_arrays,
    driver,
    field,
    instant,
    integer,
    smallint_array,
    text,
    text_array,
)
from monitor.storage.engine import Json
from monitor.storage.places import Places

# In binary a jsonb is its text behind the version of the format.
JSONB_VERSION = b"\x01"

TRACE_FACTS: dict[str, Callable[[Any], bytes]] = {
    "time": instant, "tenant": text, "id": text, "build": text, "model": text, "prompt_template": text,
    "environment": text, "user_id": text, "session_id": text, "trace_id": text, "span_id": text, "topic": text,
    "partition": integer, '"offset"': bigint,
}  # fmt: skip
REJECT_COLUMNS = {
    "received_at": "timestamptz", "topic": "text", "partition": "int4", '"offset"': "int8", "reason": "text",
    "message": "text", "headers": "jsonb", "key": "bytea", "value": "bytea",
}  # fmt: skip

T = TypeVar("T")

encode = msgspec.json.Encoder().encode


def copy_rows(connection: sa.Connection, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
    """Sends rows by binary COPY; all or none of them arrive."""
    with (
        driver(connection).cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)


def copy_traces(connection: sa.Connection, unit: Unit, places: Places) -> None:
    scored = unit.scored
    facts = zip(*(facts_of(item) for item in scored.traces), strict=True)
    columns = {name: column(values, TRACE_FACTS[name]) for name, values in zip(TRACE_FACTS, facts, strict=True)}
    reasons, reason_of = reason_fields(scored.scores, places.scalars, len(scored))
    copy_columns(connection, "traces", {
        **columns,
        "received_at": column([unit.received_at] * len(scored), instant),
        "record": [field(JSONB_VERSION + item.body) for item in scored.traces],
        "prompt_embedding": embedding_fields(scored, "prompt.embedding"),
        "response_embedding": embedding_fields(scored, "response.embedding"),
        "scalars": double_arrays(scalar_matrix(scored, places.scalars)),
        "categories": column(category_rows(scored, places.categories), text_array),
        "reasons": reasons,
        "reason_of": reason_of,
        "spans": json_fields(scored.scores, len(scored), lambda score: score.spans),
        "claims": json_fields(scored.scores, len(scored), rounded_claims),
    })  # fmt: skip


def facts_of(item: Decoded) -> tuple[Any, ...]:
    """What is read off a trace, in the order of TRACE_FACTS; in one go, since a batch is larger than the caches."""
    trace, record = item.trace, item.record
    labels = trace.segment
    return (
        trace.time, labels.tenant or "", trace.id, build_of(trace), trace.model.name,
        label_value(trace, "prompt_template"), trace.service.environment, labels.user_id, labels.session_id,
        trace.trace_id, trace.span_id, record.partition.topic, record.partition.number, record.offset,
    )  # fmt: skip


def embedding_fields(scored: Scored, name: str) -> list[bytes]:
    rows = scored.columns.get(name)
    return [field(row) for row in pack_float16(rows)] if isinstance(rows, np.ndarray) else [NULL] * len(scored)


def scalar_matrix(scored: Scored, names: Sequence[str]) -> NDArray[np.float64]:
    """The scalar signals ``(n, len(names))``; NaN is missing, and so is what is not finite."""
    matrix = np.full((len(scored), len(names)), np.nan)
    for place, name in enumerate(names):
        if name in scored.columns:
            matrix[:, place] = np.asarray(scored.columns[name], float)
    matrix[~np.isfinite(matrix)] = np.nan
    return matrix


def category_rows(scored: Scored, names: Sequence[str]) -> list[tuple[str | None, ...]]:
    """The categorical signals of each trace, in the order of ``names``."""
    missing: list[str | None] = [None] * len(scored)
    found = (cast("Sequence[str | None]", scored.columns.get(name, missing)) for name in names)
    return rows_of(found, len(scored))


def rows_of(columns: Iterable[Sequence[T]], count: int) -> list[tuple[T, ...]]:
    """Columns as so many rows, be there columns or not."""
    return list(zip(*columns, strict=True)) or [()] * count


def reason_fields(
    scores: Mapping[str, Sequence[Score]], names: Sequence[str], count: int
) -> tuple[list[bytes], list[bytes]]:
    """The columns ``reasons`` and ``reason_of``: why scores have no value, and by place which of the reasons it is.

    A few patterns of missing scores tell of all traces; each is encoded once.
    """
    alike = {name: (one.status, one.reason) for name, found in scores.items() if (one := common(found))}
    others = [name for name in scores if name not in alike]
    pairs = ([(score.status, score.reason) for score in scores[name]] for name in others)
    patterns = rows_of(pairs, count)
    known = {
        pattern: pattern_fields(alike | dict(zip(others, pattern, strict=True)), names) for pattern in set(patterns)
    }
    return [known[pattern][0] for pattern in patterns], [known[pattern][1] for pattern in patterns]


def pattern_fields(told: Mapping[str, tuple[Status, str | None]], names: Sequence[str]) -> tuple[bytes, bytes]:
    why = {name: f"{status}: {reason}" for name, (status, reason) in told.items() if status != "ok"}
    reasons = sorted(set(why.values()))
    if not reasons:
        return NULL, NULL
    numbers = [reasons.index(why[name]) + 1 if name in why else 0 for name in names]
    return field(text_array(reasons)), field(smallint_array(numbers))


def json_fields(
    scores: Mapping[str, Sequence[Score]], count: int, told: Callable[[Score], Sequence[Span] | Sequence[Claim]]
) -> list[bytes]:
    """A column of what scores tell of the answer, by score; nothing where no score of a trace tells it."""
    rows: list[dict[str, Sequence[Span] | Sequence[Claim]]] = [{} for _ in range(count)]
    for name, found in scores.items():
        one = common(found)
        if one is None or told(one):
            for own, score in zip(rows, found, strict=True):
                if parts := told(score):
                    own[name] = parts
    return [field(encode(own)) if own else NULL for own in rows]


def rounded_claims(score: Score) -> list[Claim]:
    """Four digits tell all that a probability says."""
    return [replace(claim, value=round(claim.value, 4)) for claim in score.claims]


def copy_rejects(connection: sa.Connection, unit: Unit) -> None:
    copy_set_aside(connection, unit.rejects, unit.received_at)


def copy_set_aside(connection: sa.Connection, rejects: Sequence[Reject], received_at: datetime) -> None:
    copy_rows(
        connection,
        "rejects",
        REJECT_COLUMNS,
        (
            (
                received_at, reject.record.partition.topic, reject.record.partition.number, reject.record.offset,
                reject.reason, reject.message[:2000].replace("\0", "\ufffd"),
                Json(encode(printable(reject.record.headers))), reject.record.key, reject.record.value,
            )
            for reject in rejects
        ),
    )  # fmt: skip


def printable(headers: Mapping[str, bytes]) -> dict[str, str]:
    """Header bytes as Latin-1, which has a character for each byte; NUL can't be stored and becomes a blank."""
    return {name.replace("\0", " "): value.decode("latin-1").replace("\0", " ") for name, value in headers.items()}


def note_builds(connection: sa.Connection, scored: Scored) -> None:
    """Keeps first and last sight of each build that answered; rows in order, so that two consumers never deadlock."""
    found: dict[str, list[Trace]] = defaultdict(list)
    for item in scored.traces:
        found[build_of(item.trace)].append(item.trace)
    for build, traces in sorted(found.items()):
        trace, times = traces[0], [trace.time for trace in traces]
        template = None if trace.prompt_template is None else Json(encode(trace.prompt_template))
        connection.exec_driver_sql(
            "INSERT INTO builds VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (build) DO UPDATE SET"
            " first_seen = least(builds.first_seen, excluded.first_seen),"
            " last_seen = greatest(builds.last_seen, excluded.last_seen), traces = builds.traces + excluded.traces",
            (build, Json(encode(trace.model)), template, min(times), max(times), len(times)),
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
