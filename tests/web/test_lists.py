from starlette.testclient import TestClient

from tests.web.support import START, Store, everything


def test_verdicts_are_filtered_by_segment_signal_and_drift(store: Store, client: TestClient) -> None:
    store.add_verdict(1, evidence=0.5)
    store.add_verdict(2, evidence=1.5)
    store.add_verdict(2, signal="hedging", evidence=0.1)
    store.add_verdict(2, segment="build=bot:1", evidence=1.2)
    found = everything(client, "/api/v1/drift", segment="all", signal="latency")
    assert [(row["evidence"], row["drifted"]) for row in found] == [(1.5, True), (0.5, False)]
    drifted = everything(client, "/api/v1/drift", drifted="true")
    assert sorted(row["segment"] for row in drifted) == ["all", "build=bot:1"]
    assert everything(client, "/api/v1/drift", baseline=2) == []


def test_rejects_are_filtered_by_reason(store: Store, client: TestClient) -> None:
    store.add_reject(1)
    store.add_reject(2, reason="too_large")
    (row,) = everything(client, "/api/v1/rejects", reason="too_large", topic="traces", partition=0)
    assert (row["offset"], row["bytes"], row["message"]) == (2, 3, "bad")


def test_partitions_tell_their_lag_and_exact_counts(store: Store, client: TestClient) -> None:
    store.add_partition(0)
    store.add_partition(0, topic="http", next=5, end=5)
    (row,) = everything(client, "/api/v1/partitions", topic="traces")
    assert (row["lag"], row["traces"], row["repeats"], row["rejects"]) == (2, 7, 2, 1)


def test_the_baseline_in_force_is_the_newest(store: Store, client: TestClient) -> None:
    store.add_baseline(1)
    store.add_baseline(2)
    found = everything(client, "/api/v1/baselines")
    assert [(row["version"], row["in_force"], row["segments"]) for row in found] == [(2, True, None), (1, False, None)]


def test_builds_tell_when_they_were_seen(store: Store, client: TestClient) -> None:
    store.add_build("bot:1", START)
    (row,) = everything(client, "/api/v1/builds")
    assert (row["build"], row["first_seen"], row["model"]) == ("bot:1", "2026-05-01T00:00:00Z", {"name": "bot"})
