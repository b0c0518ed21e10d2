"""Who may ask, and what every answer carries."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.web.problems import problem

OPEN = frozenset({"/livez", "/readyz"})


def refused(detail: str) -> Response:
    return problem(401, detail, headers={"WWW-Authenticate": "Bearer"})


@dataclass(frozen=True, slots=True)
class Access:
    """Middleware: a bearer token where one is set, and headers that keep answers out of caches and of guesses."""

    app: ASGIApp
    token: str | None
    refusal: Callable[[str], Response] = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Cache-Control"] = "no-store"
            await send(message)

        if scope["type"] == "http" and scope["path"] not in OPEN and not self.admits(Headers(scope=scope)):
            await self.refusal("a bearer token is needed")(scope, receive, send_marked)
            return
        await self.app(scope, receive, send_marked)

    def admits(self, headers: Headers) -> bool:
        if self.token is None:
            return True
        scheme, _, offered = headers.get("authorization", "").partition(" ")
        if "x-api-key" in headers:  # as LiteLLM sends its api_key
            scheme, offered = "bearer", headers["x-api-key"]
        # In constant time, so that a wrong token does not tell how much of it was right.
        same = hmac.compare_digest(offered.strip().encode("utf-8", "surrogateescape"), self.token.encode())
        return scheme.lower() == "bearer" and same
