"""Answers for a judge to look at, and what it said, in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa

from detectors.score import Score
from monitor.model.trace import Trace
from monitor.ports import Key
from monitor.storage.engine import guarded

# Claims of all judges on a database take turns, or two of them would spend one budget twice.
TURNSTILE = 7_264_001

# A claim stands as an error until it is settled: a judge that dies in between has spent its request.
CLAIM = """
    WITH chosen AS (
        SELECT t.tenant, t.id, t.time, t.record FROM traces AS t
        WHERE t.time > %(since)s AND t.time <= %(now)s
        AND ('x' || left(md5(t.id), 8))::bit(32)::bigint < %(share)s * 4294967296
        AND jsonb_typeof(t.record -> 'context') = 'array' AND t.record -> 'context' <> '[]'
        AND NOT EXISTS (
            SELECT FROM judgements AS j WHERE j.tenant = t.tenant AND j.id = t.id AND j.time = t.time)
        ORDER BY t.time DESC, t.tenant, t.id LIMIT %(limit)s
    ), kept AS (
        INSERT INTO judgements (tenant, id, time, status, reason, requests, judged_at)
        SELECT tenant, id, time, 'error', 'the judge ended before it said anything', 1, %(now)s FROM chosen
    )
    SELECT tenant, id, time, record::text AS record FROM chosen ORDER BY time DESC, tenant, id
"""


class PostgresJudgedStore:
    """Implements the port JudgedStore."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def claim(
        self, now: datetime, *, since: timedelta, share: float, per_minute: int, limit: int
    ) -> Sequence[tuple[Key, Trace]]:
        with guarded(self.engine), self.engine.begin() as connection:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (TURNSTILE,))
            spent = connection.exec_driver_sql(
                "SELECT coalesce(sum(requests), 0) FROM judgements WHERE judged_at > %s", (now - timedelta(minutes=1),)
            ).scalar_one()
            room = min(limit, per_minute - int(spent))
            if room <= 0:
                return []
            asked = {"since": now - since, "now": now, "share": share, "limit": room}
            rows = connection.exec_driver_sql(CLAIM, asked).all()
        decoder = msgspec.json.Decoder(Trace)
        return [((row.tenant, row.id, row.time), decoder.decode(row.record)) for row in rows]

    def known(self, digests: Sequence[str]) -> dict[str, Score]:
        with guarded(self.engine), self.engine.connect() as connection:
            rows = connection.exec_driver_sql(
                "SELECT DISTINCT ON (digest) digest, value, spans FROM judgements"
                " WHERE digest = ANY(%s) AND status = 'ok' ORDER BY digest, judged_at",
                (list(digests),),
            ).all()
        return {row.digest: Score(row.value, "ok", None, tuple((a, b) for a, b in row.spans)) for row in rows}

    def settle(self, key: Key, score: Score, *, digest: str | None, requests: int) -> None:
        reason = None if score.reason is None else score.reason.replace("\0", "\ufffd")
        with guarded(self.engine), self.engine.begin() as connection:
            connection.exec_driver_sql(
                "UPDATE judgements SET value = %s, status = %s, reason = %s, spans = %s::jsonb, digest = %s,"
                " requests = %s WHERE tenant = %s AND id = %s AND time = %s",
                (score.value, score.status, reason, msgspec.json.encode(score.spans).decode(), digest,
                 requests, *key),
            )  # fmt: skip


def forget(engine: sa.Engine, before: datetime) -> None:
    """Deletes what was said of traces that are gone."""
    with guarded(engine), engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM judgements WHERE time < %s", (before,))
