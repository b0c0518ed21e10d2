"""The application of the guard's service."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from monitor.ports import Check
from monitor.web import health, problems
from monitor.web.access import Access
from monitor.web.guard import litellm, moderations, native


def guard_api(check: Check, *, metrics: Callable[[], bytes], token: str | None) -> FastAPI:
    """The application over a guard; ``token`` is asked for everywhere but in ``/livez`` and ``/readyz``."""
    app = FastAPI(title="Driftwarden guard", version="1", docs_url=None, redoc_url=None)
    problems.install(app)
    for router in (
        native.routes(check),
        litellm.routes(check),
        moderations.routes(check),
        health.routes(dict, metrics),
    ):
        app.include_router(router)
    app.add_middleware(Access, token=token)
    return app
