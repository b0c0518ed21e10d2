"""The outbox in Postgres: messages in order per endpoint and fingerprint, each held by one notifier at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import assert_never

import sqlalchemy as sa

from monitor.model.alert import Delivered, Message, Outcome, Refused, Retry
from monitor.storage.engine import guarded

# How long a message belongs to the notifier that took it; one that died in between is followed after this.
LEASE = timedelta(minutes=2)

# The oldest undelivered message per endpoint and fingerprint, if its time has come.
TAKE = """
    UPDATE deliveries SET next_attempt_at = %s
    WHERE (sequence, endpoint) IN (
        SELECT d.sequence, d.endpoint
        FROM deliveries AS d JOIN outbox AS o USING (sequence)
        JOIN (SELECT sequence, endpoint, row_number() OVER (PARTITION BY endpoint ORDER BY sequence) AS turn
              FROM deliveries WHERE status = 'pending') AS line USING (sequence, endpoint)
        WHERE d.status = 'pending' AND d.next_attempt_at <= %s
        AND NOT EXISTS (
            SELECT FROM deliveries AS e JOIN outbox AS p USING (sequence)
            WHERE e.status = 'pending' AND e.endpoint = d.endpoint AND p.fingerprint = o.fingerprint
            AND e.sequence < d.sequence)
        AND NOT EXISTS (SELECT FROM endpoints AS n WHERE n.name = d.endpoint AND n.disabled_at IS NOT NULL)
        ORDER BY line.turn, d.sequence LIMIT %s FOR UPDATE OF d SKIP LOCKED)
    RETURNING sequence, endpoint, attempts
"""


class PostgresOutbox:
    """Implements the port Outbox."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    @contextmanager
    def due(self, now: datetime, limit: int) -> Iterator[Sequence[Message]]:
        """Takes messages on a lease, so that no transaction is open while receivers take their time."""
        with guarded(self.engine), self.engine.begin() as connection:
            taken = connection.exec_driver_sql(TAKE, (now + LEASE, now, limit)).all()
            found = connection.exec_driver_sql(
                "SELECT sequence, id, fingerprint, payload FROM outbox WHERE sequence = ANY(%s)",
                ([row.sequence for row in taken],),
            ).all()
        letters = {row.sequence: row for row in found}
        messages = [
            Message(letter.id, row.endpoint, letter.fingerprint, bytes(letter.payload), row.attempts)
            for row in sorted(taken, key=lambda row: (row.sequence, row.endpoint))
            for letter in [letters[row.sequence]]
        ]
        try:
            yield messages
        finally:
            self.give_back([(row.sequence, row.endpoint, row.attempts) for row in taken], now)

    def give_back(self, taken: Sequence[tuple[int, str, int]], now: datetime) -> None:
        """Ends the lease of what was not attempted: sequence, endpoint and attempts when it was taken."""
        if not taken:
            return
        sequences, endpoints, attempts = (list(column) for column in zip(*taken, strict=True))
        with guarded(self.engine), self.engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE deliveries AS d SET next_attempt_at = %s"
                " FROM unnest(%s::int8[], %s::text[], %s::int4[]) AS taken (sequence, endpoint, attempts)"
                " WHERE d.sequence = taken.sequence AND d.endpoint = taken.endpoint AND d.attempts = taken.attempts"
                " AND d.status = 'pending' AND d.next_attempt_at = %s",
                (now, sequences, endpoints, attempts, now + LEASE),
            )

    def settle(self, message: Message, outcome: Outcome, at: datetime, again_at: datetime | None) -> None:
        gone = False
        match outcome:
            case Delivered():
                status, error = "delivered", None
            case Retry():
                status, error = "dead" if again_at is None else "pending", outcome.reason
            case Refused():
                status, error, gone = "dead", outcome.reason, outcome.gone
            case _:
                assert_never(outcome)
        with guarded(self.engine), self.engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE deliveries AS d SET status = %s, attempts = attempts + 1,"
                " next_attempt_at = coalesce(%s, next_attempt_at), last_attempt_at = %s,"
                " last_status = %s, last_error = %s"
                " FROM outbox AS o WHERE o.sequence = d.sequence AND o.id = %s AND d.endpoint = %s",
                (status, again_at, at, outcome.status, error, message.id, message.endpoint),
            )
            if gone:
                self.disable(connection, message.endpoint, error or "gone", at)

    def replay(self, endpoint: str, *, since: datetime, everything: bool, at: datetime) -> int:
        """Queues an endpoint's messages once more, ids unchanged, and enables it; returns how many."""
        with guarded(self.engine), self.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM endpoints WHERE name = %s", (endpoint,))
            moved = connection.exec_driver_sql(
                "UPDATE deliveries AS d SET status = 'pending', attempts = 0, next_attempt_at = %s FROM outbox AS o"
                " WHERE o.sequence = d.sequence AND d.endpoint = %s AND o.created_at >= %s"
                " AND (d.status = 'dead' OR (%s AND d.status = 'delivered'))",
                (at, endpoint, since, everything),
            )
            return int(moved.rowcount)

    def disable(self, connection: sa.Connection, endpoint: str, reason: str, at: datetime) -> None:
        connection.exec_driver_sql(
            "INSERT INTO endpoints VALUES (%s, %s, %s)"
            " ON CONFLICT (name) DO UPDATE SET disabled_at = excluded.disabled_at, reason = excluded.reason",
            (endpoint, at, reason),
        )
