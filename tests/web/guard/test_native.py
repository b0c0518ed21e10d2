import json

import pytest
from starlette.testclient import TestClient

from monitor.web.guard import guard_api
from tests.guard.support import engine, plan

RULES = """
{name: size, stage: input, mode: enforce, then: deny, when: {check: size, characters: 40}}
{name: secrets, stage: input, mode: warn, then: deny, when: {check: secrets}}
{name: fact, stage: output, mode: enforce, then: abstain, when: {check: score, score: grounding.lexical, threshold: .5}}
"""
HEAD = "deadline_ms: 60000\nreplacement: Ask us."


def client(token: str | None = None) -> TestClient:
    return TestClient(guard_api(engine(plan(RULES, head=HEAD)).check, metrics=lambda: b"x 1\n", token=token))


def test_a_decision_has_all_that_the_design_promises() -> None:
    answer = client().post("/v1/guard/check", json={
        "stage": "output",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Refunds?"}, {"type": "image_url"}]}],
        "output": "Refunds cost 12 gold coins.",
        "context": ["Refunds take five days.", {"id": "b", "text": "Invoices are under Billing."}],
    })  # fmt: skip
    told = answer.json()
    assert answer.status_code == 200
    assert (told["verdict"], told["action"], told["replacement"]) == ("abstain", "replace", "Ask us.")
    (finding,) = told["findings"]
    assert (finding["rule"], finding["threshold"], finding["part"]) == ("fact", 0.5, "output")
    assert [8, 12] in finding["spans"]
    assert told["latency_s"] > 0
    assert "degraded" not in told


def test_a_warning_passes() -> None:
    told = client().post("/v1/guard/check", json={
        "stage": "input", "messages": [{"content": "AKIAIOSFODNN7EXAMPLE is my key"}],
    }).json()  # fmt: skip
    assert (told["verdict"], told["action"]) == ("warn", "flag")


def test_what_is_refused_for_its_size_is_not_read() -> None:
    told = client().post("/v1/guard/check", json={
        "stage": "input", "messages": [{"content": "AKIAIOSFODNN7EXAMPLE " * 10}],
    }).json()  # fmt: skip
    assert told["verdict"] == "deny"
    assert [found["rule"] for found in told["findings"]] == ["size"]
    assert told["unmeasured"] == [{"rule": "secrets", "reason": "not read: refused for its size"}]


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"{", 400, "not JSON"),
        (b'{"messages": []}', 422, "missing required field `stage`"),
        (b'{"stage": "middle"}', 422, "Invalid enum value 'middle' - at `$.stage`"),
        (b'{"stage": "input", "deadline_ms": -5}', 422, "Expected `float` > 0.0 - at `$.deadline_ms`"),
        (b'{"stage": "input", "policy": "none"}', 404, "policy: expected one of tested, got 'none'"),
        (b'{"stage": "input", "output": "' + b"x" * 2**20 + b'"}', 413, "expected at most 1048576 bytes"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(body: bytes, status: int, detail: str) -> None:
    answer = client().post("/v1/guard/check", content=body)
    assert answer.status_code == status
    assert detail in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_token_is_asked_for_in_either_header() -> None:
    asked = client("sixteen-characters")
    body = {"stage": "input"}
    given = [
        {},
        {"authorization": "Bearer sixteen-characters"},
        {"x-api-key": "sixteen-characters"},
        {"x-api-key": "x"},
    ]
    assert [asked.post("/v1/guard/check", json=body, headers=each).status_code for each in given] == [
        401, 200, 200, 401,
    ]  # fmt: skip
    assert asked.get("/livez").status_code == asked.get("/readyz").status_code == 200


def test_the_document_of_the_api_names_its_paths() -> None:
    paths = json.loads(client().get("/openapi.json").content)["paths"]
    assert {"/v1/guard/check", "/beta/litellm_basic_guardrail_api", "/v1/moderations", "/metrics"} <= paths.keys()
