"""The tap's own endpoints."""

# Annotations are evaluated here: FastAPI can't look up a local dependency by its name.

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Response

from monitor.web.access import Access
from monitor.web.guard.bodies import body
from monitor.web.health import METRICS_TYPE
from monitor.web.tap.desk import Desk
from monitor.web.worker import errors
from monitor.web.worker.feedback import taken
from monitor.web.worker.shapes import json

Ready = Callable[[], Awaitable[tuple[bool, dict[str, Any]]]]


def own_api(desk: Desk, *, ready: Ready, metrics: Callable[[], bytes], token: str | None) -> FastAPI:
    """``token`` is asked for everywhere but in ``/livez`` and ``/readyz``."""
    app = FastAPI(title="Driftwarden tap", version="1", docs_url=None, redoc_url=None, openapi_url=None)
    errors.install(app)

    @app.post("/v1/feedback", summary="What people said of an answer, by the id of the answer")
    async def feedback(sent: Annotated[bytes, Depends(body)]) -> Response:
        return taken(sent, desk.feedback, desk.clock())

    @app.get("/livez", summary="The process answers")
    async def livez() -> Response:
        return json({"live": True})

    @app.get("/readyz", summary="The upstream answers; 503 where it does not")
    async def readyz() -> Response:
        fit, told = await ready()
        return json({"ready": fit, **told}, 200 if fit else 503)

    @app.get("/metrics", summary="Prometheus metrics")
    def metrics_text() -> Response:
        return Response(metrics(), headers={"Content-Type": METRICS_TYPE})

    app.add_middleware(Access, token=token, refusal=errors.unauthorized)
    return app
