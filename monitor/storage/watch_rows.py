"""A watch as its row."""

from __future__ import annotations

import sqlalchemy as sa

from detectors import wire
from monitor.model.segment import Segment
from monitor.watch import Watch

SELECT = "SELECT baseline, segment, nullif(judged_until, '-infinity') AS judged_until, state, recent FROM watches"


def as_watch(row: sa.Row[tuple[object, ...]]) -> Watch:
    """The watch of a row of SELECT."""
    memories = wire.decode_memories(bytes(row.state))
    return Watch(Segment.parse(row.segment), row.baseline, row.judged_until, memories, tuple(row.recent))


def write_watch(connection: sa.Connection, watch: Watch) -> None:
    """Stores the watch, whether its row is there or not."""
    connection.exec_driver_sql(
        "INSERT INTO watches (baseline, segment, judged_until, state, recent)"
        " VALUES (%s, %s, coalesce(%s::timestamptz, '-infinity'), %s, %s)"
        " ON CONFLICT (baseline, segment) DO UPDATE SET judged_until = excluded.judged_until, state = excluded.state,"
        " recent = excluded.recent",
        (watch.baseline, str(watch.segment), watch.judged_until, wire.encode_memories(watch.memories),
         list(watch.recent)),
    )  # fmt: skip
