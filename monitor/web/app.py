"""The web application: the JSON API, ingest, health, metrics and a page that lists them."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, FastAPI

from monitor.ports import Reader
from monitor.web import alerts, health, index, lists, problems, traces
from monitor.web import ingest as ingest_
from monitor.web.access import Access


def api(
    reader: Reader,
    *,
    ready: health.Ready,
    ingest: ingest_.Ingest | None,
    metrics: Callable[[], bytes],
    token: str | None,
    feedback: APIRouter | None = None,
) -> FastAPI:
    """The application over a reader.

    Args:
        reader: read-only queries over the public views.
        ready: name of each thing that is needed → None, or why it is not there.
        ingest: stores a body (bytes, media type) and returns after the commit; None where no traces are taken.
        metrics: the Prometheus exposition.
        feedback: the routes that take feedback; None where none is taken.
        token: asked for as a bearer token everywhere but in ``/livez`` and ``/readyz``; None leaves all open.
    """
    # Swagger UI and ReDoc would load scripts from a CDN.
    app = FastAPI(title="Driftwarden", version="1", docs_url=None, redoc_url=None)
    problems.install(app)
    for router in (
        index.routes(),
        traces.routes(reader),
        lists.routes(reader),
        alerts.routes(reader),
        ingest_.routes(ingest),
        health.routes(ready, metrics),
    ):
        app.include_router(router)
    if feedback is not None:
        app.include_router(feedback)
    app.add_middleware(Access, token=token)
    return app
