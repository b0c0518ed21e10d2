"""Where each signal stands in the arrays of a trace. A place is given once, and what stands there never changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from monitor.model.scored import Scored
from monitor.model.signal import KINDS


@dataclass(frozen=True, slots=True)
class Places:
    """The names of the scalar and of the categorical signals, in the order of their places."""

    scalars: Sequence[str]
    categories: Sequence[str]

    def hold(self, scored: Scored) -> bool:
        """Whether every signal of a batch that goes into an array has a place."""
        return unplaced(scored, "scalar", self.scalars) == unplaced(scored, "category", self.categories) == []


def unplaced(scored: Scored, kind: str, placed: Sequence[str]) -> list[str]:
    return [name for name in scored.columns if KINDS[name] == kind and name not in placed]


def read_places(connection: sa.Connection) -> Places:
    found = connection.exec_driver_sql("SELECT kind, name FROM signals ORDER BY kind, place").all()
    return Places(*([row.name for row in found if row.kind == kind] for kind in ("scalar", "category")))


def give_places(connection: sa.Connection, scored: Scored) -> Places:
    """All places, those of new signals behind the others; two processes that start together give each only once."""
    connection.exec_driver_sql("LOCK TABLE signals IN SHARE ROW EXCLUSIVE MODE")
    known = read_places(connection)
    for kind, placed in (("scalar", known.scalars), ("category", known.categories)):
        for place, name in enumerate(unplaced(scored, kind, placed), start=len(placed) + 1):
            connection.exec_driver_sql(
                "INSERT INTO signals (kind, place, name, score) VALUES (%s, %s, %s, %s)",
                (kind, place, name, name in scored.scores),
            )
    return read_places(connection)
