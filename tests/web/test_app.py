"""What holds for the whole application: errors, tokens, health and the page of endpoints."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.testclient import TestClient

from monitor.errors import Permanent, Transient
from monitor.storage.engine import connect
from monitor.storage.reader import PostgresReader
from tests.web.support import Parts, Store, open_client


class Broken:
    """A reader that raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        raise self._error


def problem_of(answer: Any) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["status"] == answer.status_code
    assert told["type"] == "about:blank"
    return told


@pytest.mark.parametrize(
    ("method", "address", "status", "title"),
    [
        ("GET", "/nowhere", 404, "Not Found"),
        ("GET", "/api/v1/alerts/none", 404, "Not Found"),
        ("GET", "/api/v1/traces/none?tenant=acme", 404, "Not Found"),
        ("DELETE", "/api/v1/drift", 405, "Method Not Allowed"),
        ("GET", "/api/v1/drift?limit=0", 422, "Unprocessable Content"),
        ("GET", "/api/v1/drift?limit=1001", 422, "Unprocessable Content"),
        ("GET", "/api/v1/drift?since=2026-05-01T00:00:00", 422, "Unprocessable Content"),
        ("GET", "/api/v1/drift?segmnet=all", 422, "Unprocessable Content"),
        ("GET", "/api/v1/drift?segment=%00", 422, "Unprocessable Content"),
        ("GET", "/api/v1/traces?min_score=grounding.lexical", 422, "Unprocessable Content"),
        ("GET", "/api/v1/traces?segment=acme", 422, "Unprocessable Content"),
        ("GET", "/api/v1/drift?cursor=abc", 400, "Bad Request"),
        ("GET", "/api/v1/drift?cursor=!!", 400, "Bad Request"),
        ("POST", "/v1/traces", 404, "Not Found"),
    ],
)
def test_an_error_is_a_problem(client: TestClient, method: str, address: str, status: int, title: str) -> None:
    answer = client.request(method, address)
    told = problem_of(answer)
    assert answer.status_code == status
    assert told["title"].replace("Entity", "Content") == title
    assert told["detail"]


def test_a_wrong_method_tells_the_right_one(client: TestClient) -> None:
    assert client.post("/api/v1/drift").headers["allow"] == "GET"


def test_a_validation_error_names_each_parameter(client: TestClient) -> None:
    told = problem_of(client.get("/api/v1/drift?limit=0&drifted=perhaps"))
    assert [error["where"] for error in told["errors"]] == ["query limit", "query drifted"]


def test_an_accept_header_that_cannot_be_met_is_406(client: TestClient) -> None:
    answer = client.get("/api/v1/drift", headers={"accept": "image/png"})
    assert (answer.status_code, problem_of(answer)["title"]) == (406, "Not Acceptable")


@pytest.mark.parametrize(
    ("error", "status"),
    [(Transient("the store is away"), 503), (Permanent("the query took longer than 30 s"), 500)],
)
def test_our_errors_are_told_in_their_words(error: Exception, status: int) -> None:
    answer = open_client(Broken(error)).get("/api/v1/builds")
    assert (answer.status_code, problem_of(answer)["detail"]) == (status, str(error))


def test_a_bug_is_told_without_its_particulars() -> None:
    answer = open_client(Broken(RuntimeError("secret inner state"))).get("/api/v1/builds")
    assert answer.status_code == 500
    assert problem_of(answer)["detail"] == "an error of the program; its log has the particulars"
    assert "secret" not in answer.text


def test_a_database_that_is_away_is_503_with_retry_after() -> None:
    away = PostgresReader(connect("postgresql://u:secret@127.0.0.1:1/none"))
    answer = open_client(away).get("/api/v1/traces")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "is away" in problem_of(answer)["detail"]
    assert "secret" not in answer.text


@pytest.mark.parametrize("address", ["/", "/api/v1/traces", "/metrics", "/openapi.json", "/nowhere"])
@pytest.mark.parametrize("sent", [None, "Bearer wrong", "Bearer ", "Basic right", "right", "Bearer rightt"])
def test_a_token_is_needed_everywhere_but_in_health(reader: PostgresReader, address: str, sent: str | None) -> None:
    client = open_client(reader, Parts(token="right"))
    answer = client.get(address, headers={"authorization": sent} if sent else {})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert problem_of(answer)["title"] == "Unauthorized"


def test_the_token_opens_and_health_needs_none(reader: PostgresReader) -> None:
    client = open_client(reader, Parts(token="right"))
    headers = {"authorization": "Bearer right"}
    assert client.get("/api/v1/traces", headers=headers).status_code == 200
    assert client.get("/api/v1/traces", headers={"authorization": "bearer right"}).status_code == 200
    assert [client.get(address).status_code for address in ("/livez", "/readyz")] == [200, 200]


def test_readiness_lists_what_is_missing(reader: PostgresReader) -> None:
    client = open_client(reader, Parts(ready=lambda: {"database": None, "kafka": "connection refused"}))
    answer = client.get("/readyz")
    told = problem_of(answer)
    assert answer.status_code == 503
    assert told["detail"] == "kafka: connection refused"
    assert told["checks"] == {"database": None, "kafka": "connection refused"}
    assert client.get("/livez").json() == {"live": True}


def test_readiness_is_200_when_nothing_is_missing(client: TestClient) -> None:
    assert client.get("/readyz").json() == {"ready": True, "checks": {"database": None}}


def test_metrics_are_passed_on_as_prometheus_text(client: TestClient) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.content == b"driftwarden_store_up 1\n"


def test_the_page_lists_every_endpoint_and_loads_nothing_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/")
    addresses = client.get("/openapi.json").json()["paths"]
    assert {"/api/v1/traces", "/api/v1/drift", "/metrics"} <= set(addresses)
    assert all(f">{address}<" in answer.text for address in addresses)
    assert not re.search(r"https?://|<script|<link|@import", answer.text)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    linked = re.findall(r'href="([^"]*)"', answer.text)
    assert [client.get(f"/{address}").status_code for address in linked] == [200] * len(linked)


def test_interactive_docs_that_need_a_cdn_are_off(client: TestClient) -> None:
    assert [client.get(address).status_code for address in ("/docs", "/redoc")] == [404, 404]


def test_no_answer_is_kept_or_guessed_at(client: TestClient, store: Store) -> None:
    store.add_trace(1)
    for address in ("/api/v1/traces", "/nowhere", "/livez"):
        headers = client.get(address).headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
