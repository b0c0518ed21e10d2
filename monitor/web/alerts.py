"""Alerts: the list, and one alert with its transitions and deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response
from starlette.exceptions import HTTPException

from monitor.ports import Reader
from monitor.web.listing import Asked, Listing, Text, Timed, answer, equal, within

ALERTS = Listing(
    name="alerts",
    source="v_alerts",
    columns=(
        "id", "fingerprint", "kind", "segment", "status", "onset", "fired_at", "resolved_at", "summary", "signals",
        "evidence", "inhibited_by", "labels", "severity",
        "resolution", "paged",
    ),
    key={"fired_at": "time", "id": "text"},
)  # fmt: skip


class AlertFilters(Timed):
    """``since`` and ``until`` are of ``fired_at``."""

    status: Literal["firing", "acknowledged", "resolved"] | None = None
    kind: Text | None = None
    segment: Text | None = None
    severity: Literal["info", "warning", "critical"] | None = None


def alert_with_history(reader: Reader, alert: str) -> Mapping[str, Any] | None:
    key = {"id": alert}
    found = list(reader.rows("SELECT * FROM v_alerts WHERE id = :id", key))
    if not found:
        return None
    events = reader.rows("SELECT id, at, happening, summary FROM v_alert_events WHERE alert = :id ORDER BY id", key)
    deliveries = reader.rows(
        """SELECT message, endpoint, status, attempts, next_attempt_at, last_attempt_at, last_status, last_error,
        created_at FROM v_deliveries WHERE alert = :id ORDER BY created_at, message, endpoint""",
        key,
    )
    return {**found[0], "events": list(events), "deliveries": list(deliveries)}


def routes(reader: Reader) -> APIRouter:
    router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"], default_response_class=Response)

    @router.get("", summary="Alerts, newest first")
    def alerts(request: Request, asked: Annotated[AlertFilters, Query()]) -> Response:
        chosen = {name: getattr(asked, name) for name in ("status", "kind", "segment", "severity")}
        return answer(reader, Asked(ALERTS, asked, [*equal(chosen), *within("fired_at", asked)]), request)

    @router.get("/{alert_id}", summary="One alert with its transitions and deliveries")
    def alert(alert_id: Annotated[Text, Path()]) -> Response:
        found = alert_with_history(reader, alert_id)
        if found is None:
            raise HTTPException(404, f"no alert {alert_id!r}")
        return Response(msgspec.json.encode(found), media_type="application/json")

    return router
