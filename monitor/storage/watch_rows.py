"""A watch as its row."""

from __future__ import annotations

import sqlalchemy as sa

from detectors import wire
from monitor.model.segment import Segment
from monitor.watch import Watch

SELECT = """
    SELECT baseline, segment, nullif(judged_until, '-infinity') AS judged_until, state, recent, lagged, lagged_from,
        building
    FROM watches
"""
WRITE = """
    INSERT INTO watches (baseline, segment, judged_until, state, recent, lagged, lagged_from, building)
    VALUES (%s, %s, coalesce(%s::timestamptz, '-infinity'), %s, %s, %s, %s, %s)
    ON CONFLICT (baseline, segment) DO UPDATE SET judged_until = excluded.judged_until, state = excluded.state,
        recent = excluded.recent, lagged = excluded.lagged, lagged_from = excluded.lagged_from,
        building = excluded.building
"""


def as_watch(row: sa.Row[tuple[object, ...]]) -> Watch:
    """The watch of a row of SELECT."""
    return Watch(
        segment=Segment.parse(row.segment),
        baseline=row.baseline,
        judged_until=row.judged_until,
        memories=wire.decode_memories(bytes(row.state)),
        recent=tuple(row.recent),
        lagged={} if row.lagged is None else wire.decode_memories(bytes(row.lagged)),
        lagged_from=row.lagged_from,
        building=row.building,
    )


def write_watch(connection: sa.Connection, watch: Watch) -> None:
    """Stores the watch, whether its row is there or not."""
    memories = wire.encode_memories(watch.memories)
    lagged = wire.encode_memories(watch.lagged) if watch.lagged else None
    connection.exec_driver_sql(
        WRITE,
        (watch.baseline, str(watch.segment), watch.judged_until, memories, list(watch.recent), lagged,
         watch.lagged_from, watch.building),
    )  # fmt: skip
