"""Sums of panes: parts appended by consumers, added up by the judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import reduce
from operator import add

import numpy as np
import sqlalchemy as sa

from detectors.base import Sum
from monitor.model.record import Progress
from monitor.model.scored import PaneSum
from monitor.model.segment import Segment
from monitor.storage.rows import copy_rows

COLUMNS = {
    "baseline": "int4", "segment": "text", "pane": "timestamptz", "topic": "text", "partition": "int4",
    "first_offset": "int8", "n": "float8", "total": "bytea",
}  # fmt: skip


def pack(total: Sum) -> bytes:
    return total.total.astype("<f8").tobytes()


def unpack(n: float, total: bytes) -> Sum:
    return Sum(n, np.frombuffer(total, "<f8"))


def add_sums(connection: sa.Connection, baseline: int, sums: Sequence[PaneSum], place: Progress) -> None:
    """Appends a batch's sums; ``place`` makes their key: one partition's offset is stored once only."""
    key = (place.partition.topic, place.partition.number, place.first)
    copy_rows(
        connection,
        "sums",
        COLUMNS,
        ((baseline, str(part.segment), part.start, *key, part.sum.n, pack(part.sum)) for part in sums),
    )


def added(rows: Iterable[sa.Row[tuple[object, ...]]]) -> dict[datetime, Sum]:
    """Rows of (pane, n, total) added up by pane, in order of time."""
    parts: dict[datetime, list[Sum]] = {}
    for row in rows:
        parts.setdefault(row.pane, []).append(unpack(row.n, row.total))
    return {pane: reduce(add, parts[pane]) for pane in sorted(parts)}


def open_panes(connection: sa.Connection, baseline: int, segment: Segment, closed: datetime) -> dict[datetime, Sum]:
    """What consumers have added to the panes of a segment that start before ``closed``."""
    return added(
        connection.exec_driver_sql(
            "SELECT pane, n, total FROM sums WHERE baseline = %s AND segment = %s AND pane < %s"
            " ORDER BY pane, topic, partition, first_offset",
            (baseline, str(segment), closed),
        )
    )


def close_panes(connection: sa.Connection, baseline: int, segment: Segment, panes: Mapping[datetime, Sum]) -> None:
    """Keeps added-up panes and removes their parts."""
    for start, total in panes.items():
        connection.exec_driver_sql(
            "INSERT INTO panes (pane, baseline, segment, n, total) VALUES (%s, %s, %s, %s, %s)",
            (start, baseline, str(segment), total.n, pack(total)),
        )
    if panes:
        connection.exec_driver_sql(
            "DELETE FROM sums WHERE baseline = %s AND segment = %s AND pane <= %s",
            (baseline, str(segment), max(panes)),
        )


def parts(connection: sa.Connection, baseline: int, since: datetime, until: datetime) -> dict[Segment, Sum]:
    """Sums by segment over the panes that start from ``since`` to before ``until``, whether judged or not."""
    found: dict[Segment, Sum] = {}
    for table in ("panes", "sums"):
        for row in connection.exec_driver_sql(
            f"SELECT segment, n, total FROM {table} WHERE baseline = %s AND pane >= %s AND pane < %s",  # noqa: S608
            (baseline, since, until),
        ):
            segment, total = Segment.parse(row.segment), unpack(row.n, row.total)
            found[segment] = found[segment] + total if segment in found else total
    return found


def judged(connection: sa.Connection, baseline: int, segment: Segment) -> dict[datetime, Sum]:
    """Judged panes of a segment in order of time: old ones as what they were added up to."""
    rows = connection.exec_driver_sql(
        "SELECT pane, n, total FROM panes WHERE baseline = %s AND segment = %s ORDER BY pane",
        (baseline, str(segment)),
    )
    return {row.pane: unpack(row.n, row.total) for row in rows}


def judged_segments(connection: sa.Connection, baseline: int) -> list[Segment]:
    """Segments that were ever judged against a baseline."""
    rows = connection.exec_driver_sql("SELECT segment FROM watches WHERE baseline = %s", (baseline,))
    return sorted(Segment.parse(row.segment) for row in rows)
