"""Stored traces read back with their signals, by event time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import msgspec
import numpy as np
import sqlalchemy as sa

from monitor.codec import unpack_float16
from monitor.model.decoded import Decoded
from monitor.model.record import Partition, Record
from monitor.model.scored import Scored
from monitor.model.signal import KINDS, Column
from monitor.model.trace import Trace
from monitor.ports import Key
from monitor.storage.places import Places, read_places

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
