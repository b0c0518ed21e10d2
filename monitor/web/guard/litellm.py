"""``POST /beta/litellm_basic_guardrail_api``: LiteLLM's Generic Guardrail API.

The contract is https://docs.litellm.ai/docs/adding_provider/generic_guardrail_api, its client in LiteLLM's
``litellm/proxy/guardrails/guardrail_hooks/generic_guardrail_api``: texts come in, and ``action`` goes back. NONE lets
the exchange pass, BLOCKED ends it with ``blocked_reason``, GUARDRAIL_INTERVENED replaces ``texts``, as many as came.
"""

# Annotations are evaluated here: FastAPI can't look up a local dependency by its name.

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Response
from msgspec import Struct

from monitor.model.check import CheckRequest, Decision, Message, Passage
from monitor.ports import Check
from monitor.web.guard.bodies import body, read
from monitor.web.guard.native import decided


class Parameters(Struct, frozen=True):
    """``additional_provider_specific_params`` of LiteLLM's configuration or of a request."""

    policy: str | None = None
    context: list[str | Passage] = []
    deadline_ms: float | None = None


class Asked(Struct, frozen=True):
    """What LiteLLM sends; what we do not read is left out."""

    input_type: Literal["request", "response"]
    texts: list[str] | None = None
    structured_messages: list[Message] | None = None
    tools: list[Any] | None = None
    additional_provider_specific_params: Parameters | None = None


class Answer(Struct, frozen=True, omit_defaults=True):
    action: Literal["NONE", "BLOCKED", "GUARDRAIL_INTERVENED"]
    blocked_reason: str | None = None
    texts: list[str] | None = None


def routes(check: Check) -> APIRouter:
    router = APIRouter(tags=["guard"], default_response_class=Response)

    @router.post("/beta/litellm_basic_guardrail_api", summary="LiteLLM's Generic Guardrail API")
    def basic_guardrail(sent: Annotated[bytes, Depends(body)]) -> Response:
        return Response(msgspec.json.encode(answer(check, read(sent, Asked))), media_type="application/json")

    return router


def answer(check: Check, asked: Asked) -> Answer:
    """A request is one exchange, a response has a choice in each text."""
    texts = asked.texts or []
    if asked.input_type == "request":
        # Whoever abstains before the model is asked has no answer to replace: only BLOCKED carries its words.
        decision = decided(check, request(asked))
        return blocked(decision) if decision.verdict in ("abstain", "deny") else Answer("NONE")
    decisions = [decided(check, response(asked, text)) for text in texts]
    for decision in decisions:
        if decision.verdict == "deny":
            return blocked(decision)
    if not any(decision.verdict == "abstain" for decision in decisions):
        return Answer("NONE")
    pairs = zip(texts, decisions, strict=True)
    replaced = [decision.replacement or "" if decision.verdict == "abstain" else text for text, decision in pairs]
    return Answer("GUARDRAIL_INTERVENED", texts=replaced)


def request(asked: Asked) -> CheckRequest:
    given = asked.additional_provider_specific_params or Parameters()
    messages = asked.structured_messages or [Message("user", text) for text in asked.texts or []]
    return CheckRequest(
        "input", messages, context=given.context, tools=asked.tools or [], policy=given.policy,
        deadline_ms=given.deadline_ms,
    )  # fmt: skip


def response(asked: Asked, text: str) -> CheckRequest:
    given = asked.additional_provider_specific_params or Parameters()
    return CheckRequest(
        "output", asked.structured_messages or [], text, given.context, policy=given.policy,
        deadline_ms=given.deadline_ms,
    )  # fmt: skip


def blocked(decision: Decision) -> Answer:
    return Answer("BLOCKED", blocked_reason=decision.replacement or "the guard could not check the exchange")
