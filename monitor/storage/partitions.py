"""Day partitions: made ahead, dropped when their time is over."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa

from monitor.storage.engine import guarded

TABLES = {"traces": "time", "panes": "pane", "verdicts": "pane"}
# Rows up to this stay whole: a row of 2 kB is otherwise compressed and cut up, which costs more than all else of it.
OPTIONS = {"traces": " WITH (toast_tuple_target = 8160)"}
AHEAD = timedelta(days=3)
# Any number, the same for all.
LOCK = 7_310_468


def name_of(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def wait_for_turn(connection: sa.Connection) -> None:
    """One process at a time: two that make or drop the same partition would end in an error."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")


def existing(connection: sa.Connection) -> set[str]:
    found = connection.exec_driver_sql(
        "SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"
        " JOIN pg_class p ON p.oid = inhparent WHERE p.relname = ANY(%s)",
        (list(TABLES),),
    )
    return {row[0] for row in found}


def ensure(engine: sa.Engine, now: datetime, *, behind: timedelta = timedelta(days=1)) -> list[str]:
    """Makes the partitions from ``behind`` before now to three days ahead; returns the names made.

    A day whose rows lie in the default partition already stays there.
    """
    made = []
    days = [(now - behind + timedelta(days=i)).astimezone(UTC).date() for i in range((behind + AHEAD).days + 1)]
    with guarded(engine), engine.begin() as connection:
        wait_for_turn(connection)
        have = existing(connection)
        for table, column in TABLES.items():
            for day in days:
                name, until = name_of(table, day), day + timedelta(days=1)
                if name in have:
                    continue
                bounds = f"'{day} 00:00+00'", f"'{until} 00:00+00'"
                taken = connection.exec_driver_sql(
                    f"SELECT EXISTS (SELECT FROM {table}_default"  # noqa: S608 - names of our own
                    f" WHERE {column} >= {bounds[0]} AND {column} < {bounds[1]})"
                ).scalar_one()
                if not taken:
                    connection.exec_driver_sql(
                        f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table}"
                        f" FOR VALUES FROM ({bounds[0]}) TO ({bounds[1]}){OPTIONS.get(table, '')}"
                    )
                    made.append(name)
    return made


def drop_before(engine: sa.Engine, limit: datetime) -> list[str]:
    """Drops the partitions that end before ``limit``, and older rows of the default ones; returns what was dropped."""
    dropped = []
    oldest = limit.astimezone(UTC).date()
    with guarded(engine), engine.begin() as connection:
        wait_for_turn(connection)
        for name in sorted(existing(connection)):
            table, _, day = name.rpartition("_")
            if day.isdigit() and date.fromisoformat(day) < oldest:
                connection.exec_driver_sql(f"DROP TABLE {name}")
                dropped.append(name)
        for table, column in TABLES.items():
            connection.exec_driver_sql(f"DELETE FROM {table}_default WHERE {column} < %s", (limit,))  # noqa: S608
    return dropped
