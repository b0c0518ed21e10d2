import json
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.web.support import START, Store, everything


def ids(client: TestClient, **asked: Any) -> list[str]:
    return sorted(row["id"] for row in everything(client, "/api/v1/traces", **asked))


def test_a_row_tells_what_was_asked_and_answered_with_its_scores(store: Store, client: TestClient) -> None:
    store.add_trace(1)
    (row,) = everything(client, "/api/v1/traces")
    expected = {
        "time": "2026-05-01T00:00:01Z", "tenant": "acme", "id": "t1", "build": "bot:1", "prompt": "question 1",
        "response": "answer 1", "status": "ok", "latency_s": 0.5, "scores": {"grounding.lexical": 0.25},
        "topic": "traces", "offset": 1,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert "record" not in row


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"tenant": "acme"}, ["t1", "t2"]),
        ({"tenant": "acme", "build": "bot:2"}, ["t2"]),
        ({"build": "none"}, []),
        ({"segment": "all"}, ["t1", "t2", "t3"]),
        ({"segment": "build=bot:2,tenant=other"}, ["t3"]),
        ({"segment": "labels.plan=pro%2C plus"}, ["t2"]),
        ({"segment": "service=shop"}, ["t1", "t2", "t3"]),
        ({"segment": "service=other"}, []),
        ({"q": "REFUND"}, ["t1", "t3"]),
        ({"q": "100%"}, ["t2"]),
        ({"q": "_"}, []),
        ({"min_score": "grounding.lexical:0.5"}, ["t2", "t3"]),
        ({"min_score": "grounding.lexical:.5", "max_score": "hedging:0.1"}, ["t3"]),
        ({"min_score": ["grounding.lexical:0.5", "hedging:0.05"]}, ["t3"]),
        ({"min_score": "abstention:0"}, []),  # could not be computed
        ({"trace_id": "none"}, []),
    ],
)
def test_filters(store: Store, client: TestClient, asked: dict[str, Any], found: list[str]) -> None:
    store.add_trace(1, prompt="A refund, please", scores={"grounding.lexical": {"value": 0.4, "status": "ok"}})
    store.add_trace(
        2, build="bot:2", response="100% sure", labels={"plan": "pro, plus"},
        scores={"grounding.lexical": {"value": 0.5, "status": "ok"}},
    )  # fmt: skip
    store.add_trace(
        3, build="bot:2", tenant="other", response="no Refund",
        scores={
            "grounding.lexical": {"value": 0.9, "status": "ok"}, "hedging": {"value": 0.1, "status": "ok"},
            "abstention": {"status": "insufficient_input", "reason": "no answer"},
        },
    )  # fmt: skip
    assert ids(client, **asked) == found


def test_one_trace_comes_with_its_record_and_the_spans_of_its_scores(store: Store, client: TestClient) -> None:
    store.add_trace(
        1,
        id="a/b c",
        tenant="",
        scores={
            "grounding.lexical": {"value": 0.25, "status": "ok", "spans": [[0, 6]]},
            "hedging": {"status": "error", "reason": "broken"},
        },
    )
    found = client.get("/api/v1/traces/a%2Fb%20c").json()
    assert found["record"]["service"] == {"name": "shop"}
    assert found["prompt"] == "question 1"
    assert found["scores"] == [
        {"score": "grounding.lexical", "value": 0.25, "status": "ok", "reason": None, "spans": [[0, 6]], "claims": []},
        {"score": "hedging", "value": None, "status": "error", "reason": "broken", "spans": [], "claims": []},
    ]


def test_tenants_with_the_same_id_are_kept_apart(store: Store, client: TestClient) -> None:
    store.add_trace(1, tenant="one")
    store.add_trace(1, tenant="two", response="of two")
    assert client.get("/api/v1/traces/t1", params={"tenant": "two"}).json()["response"] == "of two"
    assert client.get("/api/v1/traces/t1").status_code == 404


def test_of_an_id_that_came_twice_the_newest_is_told(store: Store, client: TestClient) -> None:
    store.add_trace(1, response="first")
    store.add_trace(1, response="second", time=START + timedelta(hours=1))
    assert client.get("/api/v1/traces/t1", params={"tenant": "acme"}).json()["response"] == "second"


def test_a_record_goes_out_as_it_was_stored_however_deep(store: Store, client: TestClient) -> None:
    store.add_trace(1)
    deep = "[" * 3000 + "1.50" + "]" * 3000
    store.run("UPDATE traces SET record = jsonb_build_object('extra', CAST(:deep AS jsonb))", {"deep": deep})
    answer = client.get("/api/v1/traces/t1", params={"tenant": "acme"})
    assert answer.status_code == 200
    assert f'"extra": {deep}' in answer.text
    assert json.loads(answer.text.replace(deep, "0"))["record"] == {"extra": 0}
