import gzip
import threading
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from monitor.errors import Stale, Transient
from monitor.storage.reader import PostgresReader
from monitor.web import ingest as ingest_module
from monitor.web.ingest import IngestAnswer
from tests.web.support import Parts, open_client

Ask = Callable[..., Any]


class Taker:
    """Takes bodies and counts their lines; keeps what it got."""

    def __init__(self, error: Exception | None = None) -> None:
        self.got: list[tuple[bytes, str]] = []
        self.error = error

    def __call__(self, body: bytes, media_type: str) -> IngestAnswer:
        if self.error:
            raise self.error
        self.got.append((body, media_type))
        return IngestAnswer(body.count(b"\n") + 1, 2, [(3, "not_json", "unexpected end")])


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
def ingesting(reader: PostgresReader, taker: Taker) -> TestClient:
    return open_client(reader, Parts(ingest=taker))


JSON = {"content-type": "application/json; charset=utf-8"}
LINES = {"content-type": "application/x-ndjson"}


def test_a_body_is_answered_with_what_became_of_it(ingesting: TestClient, taker: Taker) -> None:
    answer = ingesting.post("/v1/traces", content=b"{}\n{}", headers=LINES)
    assert answer.status_code == 200
    assert answer.json() == {
        "stored": 2,
        "repeats": 2,
        "rejected": [{"line": 3, "reason": "not_json", "message": "unexpected end"}],
    }
    ingesting.post("/v1/traces", content=b"{}", headers=JSON)
    assert taker.got == [(b"{}\n{}", "application/x-ndjson"), (b"{}", "application/json")]


def test_a_gzipped_body_is_inflated(ingesting: TestClient, taker: Taker) -> None:
    sent = gzip.compress(b"one\n") + gzip.compress(b"two")
    answer = ingesting.post("/v1/traces", content=sent, headers={**LINES, "content-encoding": "gzip"})
    assert answer.status_code == 200
    assert taker.got == [(b"one\ntwo", "application/x-ndjson")]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b"{}", 415),
        ({"content-type": "text/plain"}, b"{}", 415),
        ({**JSON, "content-encoding": "br"}, b"{}", 415),
        ({**JSON, "content-encoding": "gzip"}, b"{}", 400),
        ({**JSON, "content-encoding": "gzip"}, gzip.compress(b"x" * 1000)[:-9], 400),
        ({**JSON, "content-encoding": "gzip"}, gzip.compress(b"{}") + b"rest", 400),
        ({**JSON, "content-encoding": "gzip"}, gzip.compress(bytes(64 * 2**20 + 1)), 413),
        (JSON, bytes(16 * 2**20 + 1), 413),
    ],
)
def test_a_body_that_is_not_ours_is_refused(
    ingesting: TestClient, taker: Taker, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = ingesting.post("/v1/traces", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert taker.got == []


def test_the_cap_holds_for_a_body_that_does_not_tell_its_length(ingesting: TestClient, taker: Taker) -> None:
    answer = ingesting.post("/v1/traces", content=(bytes(2**20) for _ in range(17)), headers=JSON)
    assert (answer.status_code, taker.got) == (413, [])


def test_a_body_of_just_the_cap_is_taken(ingesting: TestClient, taker: Taker) -> None:
    answer = ingesting.post("/v1/traces", content=bytes(16 * 2**20), headers=JSON)
    assert (answer.status_code, len(taker.got[0][0])) == (200, 16 * 2**20)


@pytest.mark.parametrize("error", [Transient("the store is away"), Stale("baseline 2 is in force")])
def test_what_can_be_tried_again_is_503_with_retry_after(reader: PostgresReader, error: Exception) -> None:
    client = open_client(reader, Parts(ingest=Taker(error)))
    answer = client.post("/v1/traces", content=b"{}", headers=JSON)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["detail"] == str(error)


def test_no_more_bodies_are_held_than_the_bound(reader: PostgresReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_module, "BODIES", 1)
    entered, go_on = threading.Event(), threading.Event()

    def slow(_body: bytes, _media_type: str) -> IngestAnswer:
        entered.set()
        assert go_on.wait(30)
        return IngestAnswer(1, 0, [])

    answers: list[int] = []
    with open_client(reader, Parts(ingest=slow)) as client:
        first = threading.Thread(
            target=lambda: answers.append(client.post("/v1/traces", content=b"{}", headers=JSON).status_code)
        )
        first.start()
        assert entered.wait(30)
        refused = client.post("/v1/traces", content=b"{}", headers=JSON)
        go_on.set()
        first.join()
        after = client.post("/v1/traces", content=b"{}", headers=JSON)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert (answers, after.status_code) == ([200], 200)
