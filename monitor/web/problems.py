"""Errors as RFC 9457 problem details: every answer of 400 and above has this shape, and none a stack trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from monitor.errors import DriftwardenError, Permanent

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, members: Mapping[str, Any] | None = None
) -> Response:
    """A problem of no special type: its title is the status phrase, ``members`` are further fields."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(msgspec.json.encode(body | dict(members or {})), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of the app with a problem."""

    # Async although they wait for nothing: Starlette runs sync ones in the thread pool, which may be what is full.
    async def of_http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem(error.status_code, str(error.detail), headers=error.headers)

    async def of_validation(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        found = [{"where": where(item["loc"]), "message": item["msg"]} for item in error.errors()]
        detail = "; ".join(f"{item['where']}: {item['message']}" for item in found)
        return problem(422, detail[:2_000], members={"errors": found})

    async def of_ours(_request: Request, error: Exception) -> Response:
        if isinstance(error, Permanent):
            return problem(500, str(error))
        return problem(503, str(error), headers={"Retry-After": str(RETRY_AFTER_S)})

    async def of_any(_request: Request, _error: Exception) -> Response:
        return problem(500, "an error of the program; its log has the particulars")

    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(DriftwardenError, of_ours)
    app.add_exception_handler(Exception, of_any)


def where(location: Sequence[str | int]) -> str:
    """The place of a wrong value as people write it.

    >>> where(("query", "limit")), where(("query", "min_score", 0))
    ('query limit', 'query min_score 0')
    """
    return " ".join(str(step) for step in location)
