"""Laws of lists: every row once, in order, in any format."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from monitor.web import listing
from monitor.web.cursors import write_cursor
from tests.web.support import START, Store, everything, pages


@pytest.fixture
def filled(store: Store, client: TestClient) -> TestClient:
    """A client of some rows of each list; in two of them rows share the first part of their key."""
    for number in range(7):
        store.add_trace(number // 2, tenant=f"tenant{number % 2}", id=f"t{number}")
        store.add_verdict(number // 3, signal=f"signal{number % 3}")
        store.add_alert(number)
        store.add_reject(number)
        store.add_baseline(number + 1)
        store.add_partition(number)
        store.add_build(f"bot:{number}", START + timedelta(days=number // 2))
    return client


KEYS = {
    "traces": ("time", "tenant", "id"),
    "drift": ("pane", "baseline", "segment", "signal", "reference"),
    "alerts": ("fired_at", "id"),
    "rejects": ("id",),
    "builds": ("first_seen", "build"),
    "baselines": ("version",),
    "partitions": ("topic", "partition"),
}


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_hold_every_row_once_in_the_order_of_the_key(filled: TestClient, limit: int) -> None:
    for name, key in KEYS.items():
        found = [tuple(row[column] for column in key) for row in everything(filled, f"/api/v1/{name}", limit=limit)]
        assert len(found) == 7, name
        assert found == sorted(set(found), reverse=name != "partitions"), name


def test_rows_that_come_meanwhile_never_repeat_or_hide_another(store: Store, client: TestClient) -> None:
    random = np.random.default_rng(1)
    for number in range(60):
        store.add_trace(int(random.integers(0, 20)), id=f"old{number}", tenant=f"tenant{number % 3}")
    seen: list[tuple[str, str]] = []
    for page_number, page in enumerate(pages(client, "/api/v1/traces", limit=7)):
        seen += [(row["tenant"], row["id"]) for row in page]
        store.add_trace(int(random.integers(0, 20)), id=f"new{page_number}")
    assert len(seen) == len(set(seen))
    assert sorted(id_ for _, id_ in seen if id_.startswith("old")) == sorted(f"old{number}" for number in range(60))


def test_spans_of_time_join_without_gap_or_overlap(store: Store, client: TestClient) -> None:
    now = datetime.now(UTC)
    ages = [-0.5, 0, 0.9, 1.1, 23, 25, 24 * 29, 24 * 31, 24 * 400]
    for number, age in enumerate(ages):
        store.add_trace(number, time=now - timedelta(hours=age))
    for limit in (1, 4, 100):
        found = [row["id"] for row in everything(client, "/api/v1/traces", limit=limit)]
        assert found == [f"t{number}" for number in range(len(ages))]


def test_since_and_until_hold_their_first_instant_and_not_their_last(store: Store, client: TestClient) -> None:
    for number in range(5):
        store.add_trace(number)
    since, until = START + timedelta(seconds=1), START + timedelta(seconds=4)
    found = everything(client, "/api/v1/traces", since=since.isoformat(), until=until.isoformat(), limit=2)
    assert [row["id"] for row in found] == ["t3", "t2", "t1"]


def test_a_page_ends_early_where_it_would_grow_too_large(
    store: Store, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        store.add_trace(number, response="x" * 1000)
    monkeypatch.setattr(listing, "PAGE_BYTES", 2500)
    found = list(pages(client, "/api/v1/traces"))
    assert [len(page) for page in found] == [2, 2, 2]


def test_the_next_page_is_linked_in_every_format_with_the_same_filters(store: Store, client: TestClient) -> None:
    for number in range(5):
        store.add_trace(number, tenant="a&b ü", response="line 1\nline 2, with a comma")
    for form in ("json", "ndjson", "csv"):
        found: list[str] = []
        address = f"/api/v1/traces?format={form}&limit=2&tenant=a%26b%20%C3%BC"
        while address:
            answer = client.get(address)
            match form:
                case "json":
                    rows = answer.json()["items"]
                case "ndjson":
                    rows = [json.loads(line) for line in answer.text.splitlines()]
                case _:
                    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
            found += [row["id"] for row in rows]
            assert {row["response"] for row in rows} == {"line 1\nline 2, with a comma"}
            address = answer.links.get("next", {}).get("url", "")
        assert found == ["t4", "t3", "t2", "t1", "t0"], form


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/json;q=0.5, text/*", "text/csv; charset=utf-8"),
        ("application/json;q=0, */*;q=0.1", "application/x-ndjson"),
        ("", "application/json"),
        (";;q=,,", "application/json"),
    ],
)
def test_the_format_follows_the_accept_header(client: TestClient, accept: str, media_type: str) -> None:
    answer = client.get("/api/v1/drift", headers={"accept": accept})
    assert answer.headers["content-type"] == media_type


def test_an_empty_csv_still_has_its_header(client: TestClient) -> None:
    answer = client.get("/api/v1/partitions?format=csv")
    assert answer.text.startswith("topic,partition,next,end,lag,")
    assert answer.text.count("\n") == 1


def test_a_value_with_structure_is_json_inside_csv(store: Store, client: TestClient) -> None:
    store.add_alert(1)
    (row,) = csv.DictReader(io.StringIO(client.get("/api/v1/alerts?format=csv").text, newline=""))
    assert json.loads(row["evidence"]) == {"effect": 2}
    assert json.loads(row["signals"]) == ["latency"]
    assert row["resolved_at"] == ""
    assert datetime.fromisoformat(row["fired_at"]) == START + timedelta(hours=1)


@pytest.mark.parametrize(
    "cursor",
    [
        write_cursor("alerts", [START, "x"]),  # of another list
        write_cursor("rejects", []),
        write_cursor("rejects", ["7"]),
        write_cursor("rejects", [2**63]),
        write_cursor("rejects", [7, 8]),
        write_cursor("rejects", [True]),
        write_cursor("rejects", [None]),
    ],
)
def test_a_cursor_that_the_list_did_not_give_is_400(client: TestClient, cursor: str) -> None:
    answer = client.get("/api/v1/rejects", params={"cursor": cursor})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


LISTS = st.sampled_from([f"/api/v1/{name}" for name in KEYS] + ["/api/v1/traces/x", "/api/v1/alerts/x"])
NAMES = st.sampled_from(
    [
        "limit", "cursor", "format", "since", "until", "build", "tenant", "model", "segment", "q", "min_score",
        "max_score", "signal", "drifted", "baseline", "status", "kind", "topic", "partition", "reason", "trace_id",
        "status", "unknown",
    ]
)  # fmt: skip
TIMES = st.sampled_from(
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-05-01T00:00:00Z", "0", "1e300"]
)
FORGED = st.builds(
    write_cursor,
    st.sampled_from(sorted(KEYS)),
    st.lists(
        st.text(max_size=5) | st.integers() | st.datetimes(timezones=st.just(UTC)) | TIMES | st.none(), max_size=4
    ),
)
VALUES = (
    st.text(max_size=20)
    | TIMES
    | FORGED
    | st.integers().map(str)
    | st.sampled_from(["1", "true", "all", "json", "csv", "build=x", "a=b%2C,c=d", "latency:0.5", "%", "_", "\\", "'"])
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(address=LISTS, asked=st.lists(st.tuples(NAMES, VALUES), max_size=5))
def test_no_query_breaks_the_program(filled: TestClient, address: str, asked: list[tuple[str, Any]]) -> None:
    answer = filled.get(address, params=asked)
    assert answer.status_code in (200, 400, 404, 422), (answer.text, asked)
