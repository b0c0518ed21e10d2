"""``POST /v1/guard/check``: the guard's own API."""

# Annotations are evaluated here: FastAPI can't look up a local dependency by its name.

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Response
from starlette.exceptions import HTTPException

from monitor.errors import Permanent
from monitor.model.check import CheckRequest, Decision
from monitor.ports import Check
from monitor.web.guard.bodies import body, read


def routes(check: Check) -> APIRouter:
    router = APIRouter(tags=["guard"], default_response_class=Response)

    @router.post(
        "/v1/guard/check",
        summary="Check an exchange before the model is asked (input) or before its answer is given (output)",
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}},
    )
    def guard_check(sent: Annotated[bytes, Depends(body)]) -> Response:
        return Response(msgspec.json.encode(decided(check, read(sent, CheckRequest))), media_type="application/json")

    return router


def decided(check: Check, request: CheckRequest) -> Decision:
    """The decision; 404 where the request names a policy that is not here."""
    try:
        return check(request)
    except Permanent as error:
        raise HTTPException(404, str(error)) from error
