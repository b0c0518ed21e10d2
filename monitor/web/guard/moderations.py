"""``POST /v1/moderations``: OpenAI's moderations endpoint, so that its clients can ask the guard.

The contract is https://platform.openai.com/docs/api-reference/moderations. Each text is checked at stage input. What
the policy's rules found stands in ``categories`` under ``driftwarden/<rule>``. OpenAI's own categories are there, since
its clients expect them, false and with an empty list in ``category_applied_input_types``: they were not looked at.
"""

# Annotations are evaluated here: FastAPI can't look up a local dependency by its name.

import uuid
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Response
from msgspec import Struct
from starlette.exceptions import HTTPException

from monitor.errors import Permanent
from monitor.model.check import CheckRequest, Decision, Message
from monitor.model.guarded import STRICTNESS
from monitor.model.texts import parts_text
from monitor.model.trace import Part
from monitor.ports import Check
from monitor.web.guard.bodies import body, read

# https://github.com/openai/openai-python, src/openai/types/moderation.py
OPENAI = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
# The names of OpenAI's models stand for the policy that holds unless another is asked for.
OF_OPENAI = ("omni-moderation-", "text-moderation-")


class Asked(Struct, frozen=True):
    """``input`` is a text, several, or the parts of one message; ``model`` names a policy."""

    input: str | list[str | Part]
    model: str | None = None


def routes(check: Check) -> APIRouter:
    router = APIRouter(tags=["guard"], default_response_class=Response)

    @router.post("/v1/moderations", summary="OpenAI's moderations endpoint")
    def moderations(sent: Annotated[bytes, Depends(body)]) -> Response:
        try:
            asked = read(sent, Asked)
            return Response(msgspec.json.encode(answer(check, asked)), media_type="application/json")
        except HTTPException as error:
            return refused(error.status_code, str(error.detail))
        except Permanent as error:
            return refused(404, str(error), code="model_not_found")

    return router


def refused(status: int, message: str, *, code: str | None = None) -> Response:
    """An error as OpenAI's API has it."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Response(msgspec.json.encode({"error": error}), status, media_type="application/json")


def answer(check: Check, asked: Asked) -> dict[str, Any]:
    policy = None if asked.model is None or asked.model.startswith(OF_OPENAI) else asked.model
    decisions = [check(CheckRequest("input", [Message("user", text)], policy=policy)) for text in texts(asked.input)]
    if not decisions:
        raise HTTPException(400, "input: expected at least one text, got none")
    return {
        "id": f"modr-{uuid.uuid4().hex}",
        "model": decisions[0].policy,
        "results": [result(decision) for decision in decisions],
    }


def texts(given: str | Sequence[str | Part]) -> list[str]:
    """A text, each of several, or one for the parts of a message."""
    if isinstance(given, str):
        return [given]
    plain = [each for each in given if isinstance(each, str)]
    return plain or ([parts_text([each for each in given if isinstance(each, Part)])] if given else [])


def result(decision: Decision) -> dict[str, Any]:
    """Flagged are exchanges that are to be stopped; rules in mode warn or shadow have their scores told."""
    found = {f"driftwarden/{each.rule}": each for each in decision.findings}
    stops = {name: STRICTNESS[each.verdict] >= STRICTNESS["abstain"] for name, each in found.items()}
    scores = {name: 1.0 if each.score is None else each.score for name, each in found.items()}
    return {
        "flagged": any(stops.values()),
        "categories": dict.fromkeys(OPENAI, False) | stops,
        "category_scores": dict.fromkeys(OPENAI, 0.0) | scores,
        "category_applied_input_types": {name: [] for name in OPENAI} | {name: ["text"] for name in found},
    }
