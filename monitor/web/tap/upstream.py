"""The server behind the tap."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx

Headers: TypeAlias = list[tuple[bytes, bytes]]
Body: TypeAlias = bytes | AsyncIterator[bytes]

# RFC 9110, section 7.6.1, and what proxies agree on: these belong to one connection.
HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip
# Servers close idle connections after 5 s and more (uvicorn's default); one we would lose a race with is not kept.
KEPT_S = 2.0
# Targets are few; whoever asks for many gets each of them built anew.
MOST_TARGETS = 256


class Unreached(Exception):  # noqa: N818 - a fact, as our other errors
    """No answer came; ``kind`` is unreachable, timeout or broke_off."""

    def __init__(self, kind: str, status: int, message: str) -> None:
        super().__init__(message)
        self.kind, self.status = kind, status


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """An answer that has begun; ``chunks`` are its bytes as they come, ended by Unreached where they break off."""

    status: int
    headers: Headers
    chunks: AsyncIterator[bytes]

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key.lower() == name), b"")

    async def whole(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks])


class Upstream:
    """Requests to one server over connections that are kept; used by one event loop.

    Args:
        base: its address without a slash at the end.
        timeout_s: how long it may say nothing.
        connect_s: how long it may take to accept a connection.
    """

    def __init__(self, base: str, *, timeout_s: float, connect_s: float) -> None:
        self.base = httpx.URL(base)
        self.prefix = self.base.raw_path.rstrip(b"/")
        self.shown = str(self.base.copy_with(userinfo=b"")).rstrip("/")
        self.timeout_s, self.connect_s = timeout_s, connect_s
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEPT_S)
        # The transport alone: a client would add headers, follow cookies and read the environment.
        self.transport = httpx.AsyncHTTPTransport(trust_env=False, limits=limits)
        self.targets: dict[bytes, httpx.URL] = {}

    def url(self, target: bytes) -> httpx.URL:
        found = self.targets.get(target)
        if found is None:
            found = self.base.copy_with(raw_path=self.prefix + target)
            if len(self.targets) < MOST_TARGETS:
                self.targets[target] = found
        return found

    @asynccontextmanager
    async def asked(
        self, method: str, target: bytes, headers: Headers, content: Body, timeout_s: float | None = None
    ) -> AsyncIterator[Received]:
        """The answer to a request, till the end of the block; what was not read by then is not read any more.

        Raises:
            Unreached: there is none.
        """
        bound_s = timeout_s or self.timeout_s
        timeouts = {"connect": self.connect_s, "read": bound_s, "write": bound_s, "pool": bound_s}
        request = httpx.Request(
            method, self.url(target), headers=headers, content=content, extensions={"timeout": timeouts}
        )
        try:
            response = await self.transport.handle_async_request(request)
        except httpx.TransportError as error:
            raise self.unreached(error, bound_s) from error
        stream: Any = response.stream
        try:
            yield Received(response.status_code, response.headers.raw, self.chunks(stream, bound_s))
        finally:
            await stream.aclose()

    async def chunks(self, stream: Any, bound_s: float) -> AsyncIterator[bytes]:
        try:
            async for chunk in stream:
                yield chunk
        except httpx.TimeoutException as error:
            raise self.unreached(error, bound_s) from error
        except httpx.TransportError as error:
            message = f"the upstream {self.shown} broke off its answer: {said(error)}"
            raise Unreached("broke_off", 502, message) from error

    def unreached(self, error: httpx.TransportError, bound_s: float) -> Unreached:
        match error:
            case httpx.ConnectTimeout():
                told = f"the upstream {self.shown} did not accept a connection within {self.connect_s:g} s"
                return Unreached("timeout", 504, told)
            case httpx.TimeoutException():
                told = f"the upstream {self.shown} did not answer within {bound_s:g} s"
                return Unreached("timeout", 504, told)
            case _:
                told = f"the upstream {self.shown} can't be reached: {said(error)}"
                return Unreached("unreachable", 502, told)

    async def close(self) -> None:
        await self.transport.aclose()


def said(error: Exception) -> str:
    return str(error) or type(error).__name__


def passed_on(headers: Iterable[tuple[bytes, bytes]], *, without: frozenset[bytes] = frozenset()) -> Headers:
    """The headers that go beyond one connection.

    >>> passed_on([(b"Connection", b"x-mine"), (b"X-Mine", b"1"), (b"Accept", b"*/*")])
    [(b'Accept', b'*/*')]
    """
    given = list(headers)
    named = [value for name, value in given if name.lower() == b"connection"]
    ours = {token.strip().lower() for value in named for token in value.split(b",")}
    dropped = HOP_BY_HOP | ours | without
    return [(name, value) for name, value in given if name.lower() not in dropped]


def models_of(listed: Any) -> Mapping[str, str | None]:
    """Who owns each model of a list of ``/v1/models``.

    >>> models_of({"data": [{"id": "llama", "owned_by": "vllm"}, {"id": "other"}]})
    {'llama': 'vllm', 'other': None}
    """
    found = listed.get("data") if isinstance(listed, dict) else None
    entries = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return {
        str(each["id"])[:256]: str(each["owned_by"])[:256] if each.get("owned_by") else None
        for each in entries[:10_000]
        if each.get("id")
    }
