"""Liveness, readiness and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from fastapi import APIRouter, Response

from monitor.web.problems import RETRY_AFTER_S, problem

Ready = Callable[[], Mapping[str, str | None]]

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def routes(ready: Ready, metrics: Callable[[], bytes]) -> APIRouter:
    router = APIRouter(tags=["operation"], default_response_class=Response)

    @router.get("/livez", summary="The process answers")
    def livez() -> Response:
        return Response(b'{"live":true}', media_type="application/json")

    @router.get("/readyz", summary="All it needs is there; else 503 with the reasons")
    def readyz() -> Response:
        checks = ready()
        missing = {name: reason for name, reason in checks.items() if reason is not None}
        if missing:
            detail = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
            headers = {"Retry-After": str(RETRY_AFTER_S)}
            return problem(503, detail, headers=headers, members={"checks": dict(checks)})
        return Response(msgspec.json.encode({"ready": True, "checks": dict(checks)}), media_type="application/json")

    @router.get("/metrics", summary="Prometheus metrics")
    def metrics_text() -> Response:
        return Response(metrics(), headers={"Content-Type": METRICS_TYPE})

    return router
