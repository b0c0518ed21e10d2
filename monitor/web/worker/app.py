"""The application of the worker."""

# Annotations are evaluated here: FastAPI can't look up a local dependency by its name.

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response

from monitor.web.access import Access
from monitor.web.guard.bodies import body
from monitor.web.health import METRICS_TYPE
from monitor.web.traced import untraced
from monitor.web.worker import errors
from monitor.web.worker.answering import answer
from monitor.web.worker.asking import Asked, chat, completion, without_trace
from monitor.web.worker.bodies import ChatRequest, CompletionRequest, read
from monitor.web.worker.desk import Desk, Post
from monitor.web.worker.errors import Refused
from monitor.web.worker.feedback import taken
from monitor.web.worker.shapes import json

Ready = Callable[[], tuple[bool, Mapping[str, Any]]]


def worker_api(
    desk: Desk, post: Post, *, ready: Ready, metrics: Callable[[], bytes], token: str | None = None
) -> FastAPI:
    """The application over a model; ``token`` is asked for everywhere but in ``/livez`` and ``/readyz``.

    ``post`` is what the desk's scheduler delivers by.
    """
    app = FastAPI(title="Driftwarden worker", version="1", docs_url=None, redoc_url=None)
    errors.install(app)
    app.include_router(generation(desk, post))
    app.include_router(operation(ready, metrics))
    app.add_middleware(Access, token=token, refusal=errors.unauthorized)
    return app


def generation(desk: Desk, post: Post) -> APIRouter:
    # Async, for a request waits long and a thread of the pool for each would be too many.
    router = APIRouter(tags=["generation"], default_response_class=Response)

    @router.post("/v1/chat/completions", summary="The answer to a conversation", response_model=None)
    async def chat_completions(request: Request, sent: Annotated[bytes, Depends(body)]) -> Any:
        asked = chat(desk, read(sent, ChatRequest), request.headers.get("traceparent", ""))
        return await answer(desk, post, as_traced(asked, request), request)

    @router.post("/v1/completions", summary="The continuation of a text", response_model=None)
    async def completions(request: Request, sent: Annotated[bytes, Depends(body)]) -> Any:
        asked = completion(desk, read(sent, CompletionRequest), request.headers.get("traceparent", ""))
        return await answer(desk, post, as_traced(asked, request), request)

    @router.get("/v1/models", summary="The model that is served")
    async def models() -> Response:
        return json({"object": "list", "data": [model(desk)]})

    @router.get("/v1/models/{name:path}", summary="The model of a name")
    async def one_model(name: str) -> Response:
        if name != desk.model:
            raise Refused(404, f"The model `{name}` does not exist", param="model", code="model_not_found")
        return json(model(desk))

    @router.post("/v1/feedback", summary="What people said of an answer, by the id of the answer")
    async def feedback(sent: Annotated[bytes, Depends(body)]) -> Response:
        return taken(sent, desk.feedback, desk.clock())

    return router


def as_traced(asked: Asked, request: Request) -> Asked:
    return without_trace(asked) if untraced(request.headers) else asked


def operation(ready: Ready, metrics: Callable[[], bytes]) -> APIRouter:
    router = APIRouter(tags=["operation"], default_response_class=Response)

    @router.get("/livez", summary="The process answers")
    async def livez() -> Response:
        return json({"live": True})

    @router.get("/readyz", summary="What runs, and on what; 503 where it does not")
    async def readyz() -> Response:
        fit, told = ready()
        return json({"ready": fit, **told}, 200 if fit else 503)

    @router.get("/metrics", summary="Prometheus metrics")
    def metrics_text() -> Response:
        return Response(metrics(), headers={"Content-Type": METRICS_TYPE})

    return router


def model(desk: Desk) -> dict[str, Any]:
    return {
        "id": desk.model, "object": "model", "created": desk.created, "owned_by": "driftwarden", "build": desk.build,
        "max_model_len": desk.limits.length,
    }  # fmt: skip
