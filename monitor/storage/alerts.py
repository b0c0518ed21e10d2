"""Alerts in Postgres: transitions, and the messages that tell of them, written by whoever's transaction it is."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa

from monitor.codec import alert_message
from monitor.model.alert import Alert, Change, fingerprint
from monitor.storage.engine import Json, guarded

# The advisory lock of ``take_turn``; any number that nothing else uses.
DECIDING = 0x6472_6966_74

encode = msgspec.json.Encoder(order="sorted").encode


def open_alert(connection: sa.Connection, labels: Mapping[str, str]) -> Alert | None:
    """The alert with these labels that is not resolved."""
    row = connection.exec_driver_sql(
        "SELECT * FROM alerts WHERE fingerprint = %s AND status <> 'resolved'", (fingerprint(labels),)
    ).one_or_none()
    return None if row is None else stored_alert(row)


def open_drifts(connection: sa.Connection) -> list[Alert]:
    """Drift alerts that are not resolved, the oldest first."""
    rows = connection.exec_driver_sql(
        "SELECT * FROM alerts WHERE status <> 'resolved' AND labels ->> 'kind' = 'drift' ORDER BY fired_at, id"
    )
    return [stored_alert(row) for row in rows]


def canary_alerts(connection: sa.Connection, since: datetime, over: datetime) -> list[Alert]:
    """Alerts of canaries that people have been told of since then and that were not over before, the oldest first."""
    rows = connection.exec_driver_sql(
        "SELECT * FROM alerts WHERE labels ->> 'kind' = 'canary' AND paged AND fired_at >= %s"
        " AND (status <> 'resolved' OR resolved_at >= %s OR resolution = 'accepted') ORDER BY fired_at, id",
        (since, over),
    )
    return [stored_alert(row) for row in rows]


def take_turn(connection: sa.Connection) -> None:
    """Until the transaction ends, no other that takes its turn decides whether people are told of a change.

    A drift and canaries that find the same change at once would both tell of it: neither would see the other's alert.
    """
    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (DECIDING,))


def write_change(connection: sa.Connection, change: Change, endpoints: Sequence[str]) -> None:
    """Stores a transition, and its message for each endpoint if anyone is to hear of it."""
    alert = change.alert
    connection.exec_driver_sql(
        "INSERT INTO alerts VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (id) DO UPDATE SET status = excluded.status, onset = excluded.onset,"
        " resolved_at = excluded.resolved_at, summary = excluded.summary, signals = excluded.signals,"
        " evidence = excluded.evidence, severity = excluded.severity,"
        " resolution = excluded.resolution, paged = excluded.paged",
        (alert.id, alert.fingerprint, Json(encode(alert.labels)), alert.status, alert.onset, alert.fired_at,
         alert.resolved_at, alert.summary, list(alert.signals), Json(encode(alert.evidence)), alert.inhibited_by,
         alert.severity, alert.resolution, alert.paged),
    )  # fmt: skip
    connection.exec_driver_sql(
        "INSERT INTO alert_events (alert, at, happening, summary) VALUES (%s, %s, %s, %s)",
        (alert.id, change.at, change.happening, alert.summary),
    )
    if change.notify and endpoints:
        post(connection, change, endpoints)


def post(connection: sa.Connection, change: Change, endpoints: Sequence[str]) -> None:
    """The message of a transition, once, and its delivery to each endpoint that is not disabled."""
    sequence = connection.exec_driver_sql(
        "INSERT INTO outbox (id, alert, fingerprint, payload, created_at) VALUES (%s, %s, %s, %s, %s)"
        " RETURNING sequence",
        (f"msg_{uuid.uuid4().hex}", change.alert.id, change.alert.fingerprint, alert_message(change), change.at),
    ).scalar_one()
    connection.exec_driver_sql(
        "INSERT INTO deliveries (sequence, endpoint, next_attempt_at)"
        " SELECT %s, asked.name, %s FROM unnest(%s::text[]) AS asked (name)"
        " WHERE NOT EXISTS (SELECT FROM endpoints e WHERE e.name = asked.name AND e.disabled_at IS NOT NULL)",
        (sequence, change.at, list(endpoints)),
    )


def acknowledge(engine: sa.Engine, alert: str, at: datetime) -> bool:
    """Marks a firing alert as seen by someone; False where no firing alert has this id."""
    with guarded(engine), engine.begin() as connection:
        row = connection.exec_driver_sql(
            "UPDATE alerts SET status = 'acknowledged' WHERE id = %s AND status = 'firing' RETURNING summary",
            (alert,),
        ).one_or_none()
        if row is not None:
            connection.exec_driver_sql(
                "INSERT INTO alert_events (alert, at, happening, summary) VALUES (%s, %s, %s, %s)",
                (alert, at, "alert.acknowledged", row.summary),
            )
    return row is not None


def stored_alert(row: sa.Row[tuple[object, ...]]) -> Alert:
    return Alert(
        id=row.id,
        labels=row.labels,
        status=row.status,
        onset=row.onset,
        fired_at=row.fired_at,
        summary=row.summary,
        signals=tuple(row.signals),
        evidence=row.evidence,
        inhibited_by=row.inhibited_by,
        resolved_at=row.resolved_at,
        severity=row.severity,
        resolution=row.resolution,
        paged=row.paged,
    )
