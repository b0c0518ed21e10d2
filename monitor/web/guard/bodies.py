"""Bodies of requests to the guard: small, JSON, and here soon."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

# A regular expression holds the interpreter while it runs: a megabyte of text is as much as others can wait for.
BODY_BYTES = 2**20
BODY_S = 5.0

T = TypeVar("T")


async def body(request: Request) -> bytes:
    """The body, refused where it is too large or too slow."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > BODY_BYTES:
        raise too_large()
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                content += chunk
                if len(content) > BODY_BYTES:
                    raise too_large()
    except TimeoutError as error:
        raise HTTPException(408, f"the body did not come within {BODY_S:g} s") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the body broke off") from error
    return bytes(content)


def too_large() -> HTTPException:
    return HTTPException(413, f"body: expected at most {BODY_BYTES} bytes")


def read(content: bytes, kind: type[T]) -> T:
    """The body as a request; 422 with what is wrong with it."""
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise HTTPException(422, str(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise HTTPException(400, f"not JSON: {error}") from error
