"""Errors as OpenAI's API has them: every answer of 400 and above has this shape."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

TYPES = {401: "authentication_error", 429: "rate_limit_error"}


class Refused(Exception):  # noqa: N818 - a fact, as our other errors
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code, self.retry_s = status, message, param, code, retry_s

    def response(self) -> Response:
        headers = None if self.retry_s is None else {"Retry-After": str(self.retry_s)}
        return failure(self.status, self.message, param=self.param, code=self.code, headers=headers)


def failure(
    status: int,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    return Response(error_body(status, message, param=param, code=code), status, headers, "application/json")


def error_body(status: int, message: str, *, param: str | None = None, code: str | None = None) -> bytes:
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def unauthorized(_detail: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"}
    return failure(401, "expected the worker's token as API key", code="invalid_api_key", headers=headers)


def install(app: FastAPI) -> None:
    """Answer every error of the app so."""

    async def of_ours(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return error.response()

    async def of_http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return failure(error.status_code, str(error.detail), headers=error.headers)

    async def of_any(_request: Request, error: Exception) -> Response:
        if isinstance(error, RequestValidationError):
            return failure(400, str(error))
        return failure(500, "an error of the program; its log has the particulars")

    app.add_exception_handler(Refused, of_ours)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_any)
    app.add_exception_handler(Exception, of_any)
