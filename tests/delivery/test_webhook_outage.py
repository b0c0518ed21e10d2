"""Alerts that fire while their receiver is down arrive when it is back, once per id."""

from __future__ import annotations

from collections import Counter

from benchmarks.webhook_outage import in_order, outage


def test_every_alert_arrives_once_and_in_order_after_an_outage(database_url: str) -> None:
    arrivals, _ = outage(database_url, down_s=4.0, alerts=5, within_s=60)
    assert arrivals.refused == 0
    assert len(arrivals.told) == 10
    assert set(Counter(arrivals.ids).values()) == {1}
    assert in_order(arrivals)
