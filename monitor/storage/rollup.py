"""Judged panes are added up to hours and days as they age: what remains of a year fits where a day's panes did."""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from operator import add

import sqlalchemy as sa

from monitor.model.grid import LEVELS, Level, pane_of
from monitor.storage.panes import pack, unpack

# At most so many panes are in memory, and in one transaction.
STEP = 256
# Any number, the same for all.
LOCK = 7_310_469

JUDGED = """
    SELECT max(nullif(judged_until, '-infinity')) FROM watches WHERE baseline = (SELECT max(version) FROM baselines)
"""
OLDEST = "SELECT baseline, segment, pane FROM panes WHERE width = %s AND pane < %s ORDER BY pane LIMIT 1"

# What an hour was added up to already is taken with the panes that were judged since.
TAKE = """
    WITH due AS (
        SELECT pane FROM panes WHERE baseline = %(baseline)s AND segment = %(segment)s
        AND pane >= %(start)s AND pane < %(stop)s AND width = %(finer)s ORDER BY pane LIMIT %(limit)s
    ), taken AS (
        DELETE FROM panes WHERE baseline = %(baseline)s AND segment = %(segment)s
        AND pane >= %(start)s AND pane < %(stop)s AND (width = %(width)s OR pane IN (SELECT pane FROM due))
        RETURNING pane, width, n, total
    )
    SELECT n, total FROM taken ORDER BY width DESC, pane
"""


def roll_up(connection: sa.Connection, now: datetime) -> int:
    """One step: some of the oldest panes of one segment; returns how many, 0 when none is old enough.

    Panes are as old as they lie behind the clock or behind the newest pane judged, whichever is less: a history that is
    imported ages as it did when it was new.
    """
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    judged = connection.exec_driver_sql(JUDGED).scalar_one()
    for level in LEVELS:
        until = level.until(now if judged is None else min(now, judged))
        found = connection.exec_driver_sql(OLDEST, (level.finer, until)).one_or_none()
        if found is not None:
            return add_up(connection, found.baseline, found.segment, pane=found.pane, level=level)
    return 0


def add_up(connection: sa.Connection, baseline: int, segment: str, *, pane: datetime, level: Level) -> int:
    """Adds up the panes in the cell that one of them lies in, at most STEP of them."""
    start = pane_of(pane, level.width)
    place = {"baseline": baseline, "segment": segment, "start": start}
    rows = connection.exec_driver_sql(
        TAKE, {**place, "stop": start + level.width, "finer": level.finer, "width": level.width, "limit": STEP}
    ).all()
    total = reduce(add, (unpack(row.n, row.total) for row in rows))
    connection.exec_driver_sql(
        "INSERT INTO panes (pane, baseline, segment, n, total, width) VALUES (%s, %s, %s, %s, %s, %s)",
        (start, baseline, segment, total.n, pack(total), level.width),
    )
    return len(rows)
