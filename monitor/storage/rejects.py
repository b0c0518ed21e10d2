"""Rejects in Postgres: the original bytes, until a person replays or the retention drops them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa

from monitor.model.record import Partition, Record, Reject, StoredReject
from monitor.storage.engine import guarded

COLUMNS = 'id, topic, partition, "offset", reason, message, headers, key, value'
PAGE = 100


def stored_reject(row: sa.Row[tuple[object, ...]]) -> StoredReject:
    headers = {name: value.encode("latin-1") for name, value in row.headers.items()}
    key = None if row.key is None else bytes(row.key)
    record = Record(Partition(row.topic, row.partition), row.offset, bytes(row.value), headers, key)
    return StoredReject(row.id, Reject(record, row.reason, row.message))


class PostgresRejects:
    """Reads rejects and notes what became of them."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def waiting(self, limit: int) -> list[StoredReject]:
        """Those the dead-letter topic has not got yet, oldest first."""
        return self.read("forwarded_at IS NULL ORDER BY id LIMIT %s", (limit,))

    def with_ids(self, ids: Sequence[int]) -> list[StoredReject]:
        return self.read("id = ANY(%s) ORDER BY id", (list(ids),))

    def to_replay(self, *, reason: str | None, ids: Sequence[int], again: bool) -> Iterator[list[StoredReject]]:
        """Pages of rejects in order; without ``again`` only those never replayed."""
        last = 0
        while True:
            page = self.read(
                "id > %s AND (%s::text IS NULL OR reason = %s) AND (%s OR id = ANY(%s)) AND (%s OR replayed_at IS NULL)"
                " ORDER BY id LIMIT %s",
                (last, reason, reason, not ids, list(ids), again, PAGE),
            )
            if not page:
                return
            yield page
            last = page[-1].id

    def forwarded(self, ids: Sequence[int], at: datetime) -> None:
        self.note("forwarded_at", ids, at)

    def replayed(self, ids: Sequence[int], at: datetime) -> None:
        self.note("replayed_at", ids, at)

    def read(self, condition: str, values: tuple[object, ...]) -> list[StoredReject]:
        with guarded(self.engine), self.engine.connect() as connection:
            found = connection.exec_driver_sql(f"SELECT {COLUMNS} FROM rejects WHERE {condition}", values)  # noqa: S608
            return [stored_reject(row) for row in found]

    def note(self, column: str, ids: Sequence[int], at: datetime) -> None:
        with guarded(self.engine), self.engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE rejects SET {column} = %s WHERE id = ANY(%s)", (at, list(ids)))  # noqa: S608
