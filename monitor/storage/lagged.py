"""Lagged references in Postgres: of each day that is still in use, one set of references by segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from detectors import wire
from monitor.model.baseline import Baseline
from monitor.model.segment import Segment

SETS = "SELECT * FROM lagged_sets WHERE baseline = %s AND judged_from = %s ORDER BY segment"
# What no watch is at, and is not the newest, nobody will be judged by.
UNUSED = """
    DELETE FROM lagged_sets AS l
    WHERE judged_from < (SELECT max(judged_from) FROM lagged_sets WHERE baseline = %(baseline)s)
    AND NOT EXISTS (SELECT FROM watches AS w WHERE w.baseline = l.baseline AND w.lagged_from = l.judged_from)
"""


def read_lagged(connection: sa.Connection, baseline: Baseline, loaded: Sequence[Baseline]) -> list[Baseline]:
    """The lagged references of a baseline; those that are loaded already as they are."""
    have = {(found.version, found.judged_from): found for found in loaded}
    days = connection.exec_driver_sql(
        "SELECT DISTINCT judged_from FROM lagged_sets WHERE baseline = %s ORDER BY 1", (baseline.version,)
    ).all()
    found = []
    for (day,) in days:
        known = have.get((baseline.version, day))
        if known is None:
            rows = connection.exec_driver_sql(SETS, (baseline.version, day)).all()
            known = replace(
                baseline,
                references={Segment.parse(row.segment): wire.decode_references(bytes(row.content)) for row in rows},
                source=f"lagged: the traffic of {rows[0].since:%Y-%m-%d}",
                traces=rows[0].traces,
                since=rows[0].since,
                until=rows[0].until,
                judged_from=day,
                shaped=(),
            )
        found.append(known)
    return found


def write_lagged(connection: sa.Connection, lagged: Baseline) -> None:
    # Judges that learn the same day learn the same.
    connection.exec_driver_sql("LOCK TABLE lagged_sets IN SHARE ROW EXCLUSIVE MODE")
    place = (lagged.version, lagged.judged_from)
    if connection.exec_driver_sql(SETS, place).first() is not None:
        return
    for segment, references in sorted(lagged.references.items()):
        connection.exec_driver_sql(
            "INSERT INTO lagged_sets VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (*place, str(segment), lagged.since, lagged.until, lagged.traces, wire.encode_references(references)),
        )
    connection.exec_driver_sql(UNUSED, {"baseline": lagged.version})
