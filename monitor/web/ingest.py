"""``POST /v1/traces``: traces over HTTP, answered when they are committed."""

# Annotations are evaluated here: FastAPI can't look up a local dependency by its name.

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

MEDIA_TYPES = ("application/json", "application/x-ndjson")
BODY_BYTES = 16 * 2**20
INFLATED_BYTES = 64 * 2**20
BODY_S = 30.0
BODIES = 8


@dataclass(frozen=True, slots=True)
class IngestAnswer:
    """What became of the records of one request; ``rejected`` lists (line from 1 on, reason, message)."""

    stored: int
    repeats: int
    rejected: Sequence[tuple[int, str, str]]


Ingest = Callable[[bytes, str], IngestAnswer]


@dataclass(frozen=True, slots=True)
class Body:
    """A request's bytes as sent, the media type without parameters, and the content coding."""

    content: bytes
    media_type: str
    coding: str


def routes(ingest: Ingest | None) -> APIRouter:
    router = APIRouter(tags=["ingest"], default_response_class=Response)
    if ingest is None:

        @router.post("/v1/traces", include_in_schema=False)
        def no_traces() -> Response:
            raise HTTPException(404, "this process takes no traces over HTTP")

        return router

    store = ingest
    under_way: set[object] = set()

    async def body(request: Request) -> AsyncIterator[Body]:
        # Bodies wait in memory for their turn in the store: a bound on their number is one on the memory.
        if len(under_way) >= BODIES:
            raise HTTPException(503, "busy with other requests", headers={"Retry-After": "1"})
        ours = object()
        under_way.add(ours)
        try:
            yield await received(request)
        finally:
            under_way.discard(ours)

    @router.post(
        "/v1/traces",
        summary="Store traces: one JSON object, or one on each line; answered 200 when committed",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {media_type: {"schema": {"type": "object"}} for media_type in MEDIA_TYPES},
            }
        },
    )
    def traces(sent: Annotated[Body, Depends(body)]) -> Response:
        answered = store(plain(sent), sent.media_type)
        rejected = [{"line": line, "reason": reason, "message": message} for line, reason, message in answered.rejected]
        told = {"stored": answered.stored, "repeats": answered.repeats, "rejected": rejected}
        return Response(msgspec.json.encode(told), media_type="application/json")

    return router


async def received(request: Request) -> Body:
    """The body of a request, not inflated; refused where its type, its size or its pace is not ours."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise HTTPException(415, f"content-type: expected {' or '.join(MEDIA_TYPES)}, got {media_type[:80] or 'none'}")
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip"):
        raise HTTPException(415, f"content-encoding: expected gzip or none, got {coding[:80]}")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > BODY_BYTES:
        raise too_large("body", BODY_BYTES)
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                content += chunk
                if len(content) > BODY_BYTES:
                    raise too_large("body", BODY_BYTES)
    except TimeoutError as error:
        raise HTTPException(408, f"the body did not come within {BODY_S:g} s") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the body broke off") from error
    return Body(bytes(content), media_type, coding)


def plain(body: Body) -> bytes:
    """The body without its content coding."""
    return inflated(body.content) if body.coding == "gzip" else body.content


def inflated(content: bytes, limit: int = INFLATED_BYTES) -> bytes:
    """What was gzipped, of one member or several.

    >>> import gzip
    >>> inflated(gzip.compress(b"one ") + gzip.compress(b"two"))
    b'one two'
    """
    whole = bytearray()
    try:
        while content:
            member = zlib.decompressobj(wbits=31)
            whole += member.decompress(content, limit + 1 - len(whole))
            if len(whole) > limit:
                raise too_large("inflated body", limit)
            if not member.eof:
                raise HTTPException(400, "content-encoding: the gzip data breaks off")
            content = member.unused_data
    except zlib.error as error:
        raise HTTPException(400, f"content-encoding: not gzip: {error}") from error
    return bytes(whole)


def too_large(what: str, limit: int) -> HTTPException:
    return HTTPException(413, f"{what}: expected at most {limit} bytes")
