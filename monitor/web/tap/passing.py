"""Requests that pass through as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress

from starlette.datastructures import Headers as Named
from starlette.types import Receive, Scope, Send

from monitor.web.tap.desk import Desk
from monitor.web.tap.upstream import Body, Headers, Received, Unreached, Upstream, passed_on
from monitor.web.worker.answering import HUNG_UP
from monitor.web.worker.errors import failure

HOST = frozenset({b"host"})
OTHER = "other"


class Gone(Exception):  # noqa: N818 - a fact
    """The client has hung up."""


async def pass_on(desk: Desk, upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    """Pass a request on byte for byte, and the answer back as it comes."""
    sent = asyncio.Event()
    headers = Named(scope=scope)
    content: Body = b""
    if "content-length" in headers or "transfer-encoding" in headers:
        content = pieces(receive, sent)
    else:
        sent.set()

    async def work() -> int:
        async with upstream.asked(scope["method"], target(scope), request_headers(scope), content) as answer:
            await begin(send, answer.status, reply_headers(answer))
            async for chunk in answer.chunks:
                await more(send, chunk)
            await end(send)
        return answer.status

    await counted(desk, OTHER, watched(work(), receive, sent), scope, receive, send)


async def counted(
    desk: Desk, operation: str, working: Coroutine[None, None, int], scope: Scope, receive: Receive, send: Send
) -> None:
    """Do the work, and answer in its place where the upstream does not; an answer that had begun breaks off."""
    try:
        status = await working
    except Gone:
        status = HUNG_UP
    except Unreached as error:
        desk.counts.failures[error.kind] += 1
        status = error.status
        with suppress(RuntimeError):  # the answer had begun: it stays unfinished, as the upstream left it
            await failure(status, str(error), code=f"upstream_{error.kind}")(scope, receive, send)
    desk.counts.requests[operation, str(status)] += 1


async def watched(work: Coroutine[None, None, int], receive: Receive, sent: asyncio.Event | None = None) -> int:
    """The work's result; where the client hangs up first it is cancelled, which closes the connection behind it.

    Args:
        work: is waited for till its end, also a cancelled one.
        receive: of the request; read here once ``sent`` is set: its body has another reader until then.

    Raises:
        Gone: the client hung up.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(hung_up(receive, sent))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Gone
    finally:
        watching.cancel()
        if not working.done():
            working.cancel()
            with suppress(asyncio.CancelledError, Unreached, Gone):
                await working


async def hung_up(receive: Receive, sent: asyncio.Event | None) -> None:
    if sent is not None:
        await sent.wait()
    while (await receive())["type"] != "http.disconnect":
        pass


async def pieces(receive: Receive, sent: asyncio.Event) -> AsyncIterator[bytes]:
    """The body of a request as it comes. Raises Gone where it breaks off."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            sent.set()
            return


def target(scope: Scope) -> bytes:
    """Path and query as they were sent."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path


def request_headers(scope: Scope, *, without: frozenset[bytes] = frozenset()) -> Headers:
    return passed_on(scope["headers"], without=HOST | without)


def reply_headers(answer: Received, *, without: frozenset[bytes] = frozenset()) -> Headers:
    return passed_on(answer.headers, without=without)


async def begin(send: Send, status: int, headers: Headers) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def more(send: Send, content: bytes) -> None:
    await send({"type": "http.response.body", "body": content, "more_body": True})


async def end(send: Send, content: bytes = b"") -> None:
    await send({"type": "http.response.body", "body": content})
