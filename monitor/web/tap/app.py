"""The application of the tap: everything passes through to the upstream but for the few endpoints that are its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.events import Away, Back
from monitor.model.exchange import Operation
from monitor.web.tap.desk import Desk
from monitor.web.tap.generating import generate
from monitor.web.tap.own import own_api
from monitor.web.tap.passing import pass_on
from monitor.web.tap.upstream import Unreached, Upstream, models_of

GENERATION: dict[str, Operation] = {"/v1/chat/completions": "chat", "/v1/completions": "text_completion"}
OPERATION = frozenset({"/livez", "/readyz", "/metrics"})
LOOK_S = 60.0
LOOK_TIMEOUT_S = 2.0


class Tap:
    """An ASGI application.

    Args:
        desk: what requests pass.
        upstream: where they go.
        metrics: the exposition of all figures.
        token: asked for at ``/metrics`` and ``/v1/feedback``.
        key: the bearer token of our own questions to the upstream.
    """

    def __init__(
        self,
        desk: Desk,
        upstream: Upstream,
        *,
        metrics: Callable[[], bytes],
        token: str | None = None,
        key: str | None = None,
    ) -> None:
        self.desk, self.upstream = desk, upstream
        self.headers = [(b"authorization", f"Bearer {key}".encode())] if key is not None else []
        self.own: ASGIApp = own_api(desk, ready=self.ready, metrics=metrics, token=token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.live(receive, send)
            return
        path, method = scope["path"], scope["method"]
        if path in OPERATION or (path == "/v1/feedback" and method == "POST"):
            await self.own(scope, receive, send)
            return
        self.desk.counts.under_way += 1
        try:
            if method == "POST" and path in GENERATION:
                await generate(self.desk, self.upstream, GENERATION[path], scope, receive, send)
            else:
                await pass_on(self.desk, self.upstream, scope, receive, send)
        finally:
            self.desk.counts.under_way -= 1

    async def live(self, receive: Receive, send: Send) -> None:
        """From the start of the server to its end, which closes the connections to the upstream."""
        await receive()
        looking = asyncio.ensure_future(self.look())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        await self.upstream.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def look(self) -> None:
        """Ask the upstream for its models now and then: whether it is there, and who serves them."""
        while True:
            before, (up, told) = self.desk.counts.up, await self.ready()
            if not up and before is not False:
                self.desk.emit(Away("upstream", str(told["reason"]), LOOK_S))
            if up and before is False:
                self.desk.emit(Back("upstream"))
            await asyncio.sleep(LOOK_S)

    async def ready(self) -> tuple[bool, dict[str, Any]]:
        """Whether the upstream answers, and its models; any answer will do, for some have no list and some a lock."""
        told: dict[str, Any] = {"upstream": self.upstream.shown}
        began = time.perf_counter()
        try:
            asked = self.upstream.asked("GET", b"/v1/models", self.headers, b"", LOOK_TIMEOUT_S)
            async with asked as answer:
                content = await answer.whole()
        except Unreached as error:
            self.desk.counts.up = False
            return False, {**told, "reason": str(error)}
        told |= {"status": answer.status, "seconds": round(time.perf_counter() - began, 4)}
        up = answer.status < 500
        if answer.status == 200:
            with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                self.desk.providers = models_of(msgspec.json.decode(content))
                told["models"] = sorted(self.desk.providers)[:20]
        self.desk.counts.up = up
        return up, told if up else {**told, "reason": f"the upstream answered with status {answer.status}"}
