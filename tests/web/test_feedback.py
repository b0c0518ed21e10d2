import json

import pytest
from starlette.testclient import TestClient

from monitor.testing.database import MemoryDatabase
from monitor.testing.feedback import MemoryFeedbackStore
from tests.web.support import START, Parts, Store, everything, open_client

LINES = {"content-type": "application/x-ndjson"}
JSON = {"content-type": "application/json"}
GOOD = {"id": "t1", "tenant": "acme", "kind": "thumb", "value": "up", "time": "2026-05-01T00:00:00Z"}


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase()


@pytest.fixture
def taking(reader, database: MemoryDatabase) -> TestClient:
    return open_client(reader, Parts(feedback=MemoryFeedbackStore(database)))


def test_feedback_is_answered_with_what_became_of_it(taking: TestClient, database: MemoryDatabase) -> None:
    sent = "\n".join([json.dumps(GOOD), "", "{", json.dumps({**GOOD, "kind": "applause"}), json.dumps(GOOD)])
    answer = taking.post("/api/v1/feedback", content=sent.encode(), headers=LINES)

    assert answer.status_code == 200
    told = answer.json()
    assert (told["stored"], told["repeats"]) == (1, 1)
    assert [(row["line"], row["reason"]) for row in told["rejected"]] == [(3, "not_json"), (4, "wrong_type")]
    ((_, kept),) = database.opinions.values()
    assert (kept.tenant, kept.id, kept.bad) == ("acme", "t1", False)
    assert database.rejects == []


def test_one_object_may_stand_alone(taking: TestClient, database: MemoryDatabase) -> None:
    answer = taking.post("/api/v1/feedback", content=json.dumps(GOOD, indent=2).encode(), headers=JSON)
    assert answer.json() == {"stored": 1, "repeats": 0, "rejected": []}


def test_another_media_type_is_refused(taking: TestClient) -> None:
    answer = taking.post("/api/v1/feedback", content=b"id,value", headers={"content-type": "text/csv"})
    assert answer.status_code == 415


def test_where_no_feedback_is_taken_there_is_no_such_place(client: TestClient) -> None:
    assert client.post("/api/v1/feedback", content=b"{}", headers=JSON).status_code == 405


def test_feedback_is_listed_by_what_it_says(store: Store, client: TestClient) -> None:
    for name, kind, bad in (("t1", "thumb", True), ("t2", "thumb", False), ("t3", "rating", None)):
        store.run(
            "INSERT INTO feedback VALUES ('acme', :id, 'ui', :kind, :at, to_json('x'::text), NULL, :bad, :at)",
            {"id": name, "kind": kind, "bad": bad, "at": START},
        )
    assert [row["id"] for row in everything(client, "/api/v1/feedback", bad="true")] == ["t1"]
    assert sorted(row["id"] for row in everything(client, "/api/v1/feedback", kind="thumb")) == ["t1", "t2"]
    assert everything(client, "/api/v1/feedback", id="t3")[0]["value"] == "x"


def test_certificates_say_whether_they_hold(store: Store, client: TestClient) -> None:
    store.add_alert(1)
    for score in ("grounding", "latency"):
        store.run(
            "INSERT INTO certificates (score, promise, level, threshold, labels, bad, flagged, made_at)"
            " VALUES (:score, 'missed', 0.1, 0.25, 100, 40, 0.5, :at)",
            {"score": score, "at": START},
        )
    found = everything(client, "/api/v1/certificates")
    assert [(row["score"], row["void"], row["alert"]) for row in found] == [
        ("latency", True, "alert1"), ("grounding", False, None),
    ]  # fmt: skip
