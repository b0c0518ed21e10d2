from starlette.testclient import TestClient

from tests.web.support import Store, everything


def test_alerts_are_filtered_by_status_kind_and_segment(store: Store, client: TestClient) -> None:
    store.add_alert(1, status="resolved")
    store.add_alert(2)
    store.add_alert(3, kind="offsets_lost")
    assert [row["id"] for row in everything(client, "/api/v1/alerts")] == ["alert3", "alert2", "alert1"]
    assert [row["id"] for row in everything(client, "/api/v1/alerts", status="firing", kind="drift")] == ["alert2"]
    assert [row["id"] for row in everything(client, "/api/v1/alerts", segment="build=b1")] == ["alert1"]


def test_one_alert_comes_with_its_transitions_and_deliveries(store: Store, client: TestClient) -> None:
    store.add_alert(1)
    store.add_alert(2)
    store.add_delivery(1, endpoint="ops", status="delivered")
    store.add_delivery(1, endpoint="pager", status="dead")
    store.add_delivery(2, endpoint="ops", status="pending")
    found = client.get("/api/v1/alerts/alert1").json()
    assert found["summary"] == "latency rose"
    assert [event["happening"] for event in found["events"]] == ["alert.firing", "alert.firing"]
    assert {(delivery["endpoint"], delivery["status"]) for delivery in found["deliveries"]} == {
        ("ops", "delivered"),
        ("pager", "dead"),
    }
