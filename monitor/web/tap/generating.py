"""Requests for generation: asked with what the trace needs, answered with what the client asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec
from starlette.datastructures import Headers as Named
from starlette.types import Receive, Scope, Send

from monitor.model.exchange import Operation
from monitor.tap import read
from monitor.tap.replies import reply_of
from monitor.web.tap.desk import Desk
from monitor.web.tap.passing import (
    Gone,
    begin,
    counted,
    end,
    more,
    pieces,
    reply_headers,
    request_headers,
    target,
    watched,
)
from monitor.web.tap.turn import Turn
from monitor.web.tap.upstream import Received, Unreached, Upstream
from monitor.web.traced import untraced as is_untraced
from monitor.web.worker.errors import failure

# Longer bodies can't be read whole by everybody at once.
BODY_BYTES = 64 * 2**20
# Ours to set anew: the body is another one, and it has to come back in a form that we can read.
REQUEST_OWN = frozenset({b"content-length", b"accept-encoding"})
LENGTH = frozenset({b"content-length"})
ID = b"x-driftwarden-id"
# What a server says that does not know our additions; the first is OpenAI's, the others vLLM's and pydantic's.
ADDITIONS = (b"logprob", b"stream_options", b"include_usage")


async def generate(
    desk: Desk, upstream: Upstream, operation: Operation, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer a request for generation and trace it."""
    content = await body(receive)
    if content is None:
        return
    if len(content) > BODY_BYTES:
        told = f"body: expected at most {BODY_BYTES} bytes, got more"
        await failure(413, told, code="body_too_large")(scope, receive, send)
        return
    try:
        asked = read(operation, content, top=desk.top)
    except msgspec.ValidationError as error:
        await failure(400, f"driftwarden: {error}", param="driftwarden")(scope, receive, send)
        return
    headers = Named(scope=scope)
    if isinstance(asked, bytes) or is_untraced(headers) or not desk.drawn():
        reason = "asked for" if is_untraced(headers) else "rate"
        desk.counts.untraced["unreadable request" if isinstance(asked, bytes) else reason] += 1
        plain = asked if isinstance(asked, bytes) else asked.plain
        work = untraced(upstream, plain, scope, send)
    else:
        turn = Turn(desk, asked, headers.get("traceparent", ""))
        work = traced(turn, upstream, scope, send)
    await counted(desk, operation, watched(work, receive), scope, receive, send)


async def body(receive: Receive) -> bytes | None:
    """The body, cut off somewhere beyond the most that is read; None where the client has gone."""
    parts, size = [], 0
    try:
        async for piece in pieces(receive, asyncio.Event()):
            parts.append(piece)
            size += len(piece)
            if size > BODY_BYTES:
                break
    except Gone:
        return None
    return b"".join(parts) if len(parts) != 1 else parts[0]


async def untraced(upstream: Upstream, content: bytes, scope: Scope, send: Send) -> int:
    headers = request_headers(scope, without=LENGTH)
    async with upstream.asked("POST", target(scope), headers, content) as answer:
        await begin(send, answer.status, reply_headers(answer))
        async for chunk in answer.chunks:
            await more(send, chunk)
        await end(send)
    return answer.status


async def traced(turn: Turn, upstream: Upstream, scope: Scope, send: Send) -> int:
    """Pass the request on with our additions, the answer back without them; closes the turn."""
    try:
        async with answered(turn, upstream, scope) as (answer, content):
            if answer.status >= 400:
                await refuse(turn, answer, content, send)
            elif answer.header(b"content-type").startswith(b"text/event-stream"):
                await stream(turn, answer, send)
            else:
                await whole(turn, answer, send)
            return answer.status
    except Unreached as error:
        turn.close(f"upstream_{error.kind}")
        raise
    except asyncio.CancelledError:
        turn.close("client_disconnected")
        raise
    finally:
        turn.close("internal_error")  # does nothing where it is closed


@asynccontextmanager
async def answered(turn: Turn, upstream: Upstream, scope: Scope) -> AsyncIterator[tuple[Received, bytes | None]]:
    """The answer, and its body where that was read already; asked again without additions that were refused."""
    desk, asked = turn.desk, turn.asked
    headers = [*request_headers(scope, without=REQUEST_OWN), (b"accept-encoding", b"identity")]
    refusing = asked.amended is not asked.plain and desk.refuses(asked.model)
    content = None
    if not refusing:
        async with upstream.asked("POST", target(scope), headers, asked.amended) as answer:
            if answer.status in (400, 422) and asked.amended is not asked.plain:
                content = await answer.whole()
                refusing = any(each in content.lower() for each in ADDITIONS)
            if not refusing:
                turn.wants = replace(asked.wants, omitted=desk.omits(asked.operation, asked.model))
                yield answer, content
                return
    async with upstream.asked("POST", target(scope), headers, asked.plain) as answer:
        if content is not None and answer.status < 400:
            desk.refused(asked.model)
        yield answer, None


async def refuse(turn: Turn, answer: Received, content: bytes | None, send: Send) -> None:
    """Pass an error on as it is: one of the request leaves no trace, one of the server does."""
    told = await answer.whole() if content is None else content
    failed = answer.status >= 500
    turn.close(f"upstream_{answer.status}" if failed else f"refused_{answer.status}", traced=failed)
    await begin(send, answer.status, reply_headers(answer))
    await end(send, told)


async def whole(turn: Turn, answer: Received, send: Send) -> None:
    told = await answer.whole()
    content = turn.whole(told)
    headers = [*reply_headers(answer, without=LENGTH), (b"content-length", str(len(content)).encode())]
    await begin(send, answer.status, [*headers, (ID, turn.id.encode())])
    await end(send, content)
    turn.take(reply_of(told))
    turn.close()


async def stream(turn: Turn, answer: Received, send: Send) -> None:
    """Pass events on as they come."""
    await begin(send, answer.status, [*reply_headers(answer, without=LENGTH), (ID, turn.id.encode())])
    async for chunk in answer.chunks:
        told = turn.feed(chunk)
        if told:
            await more(send, told)
    rest = turn.rest()
    turn.close()
    await end(send, rest)
