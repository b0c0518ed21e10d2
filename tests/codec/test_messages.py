import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

import numpy as np
import pytest

from monitor.codec import alert_message
from monitor.model.alert import Alert, Change, fingerprint

ONSET = datetime(2025, 3, 1, 11, 57, tzinfo=UTC)
LABELS = {"kind": "drift", "segment": "model=gpt-x"}
ALERT = Alert(
    id="a-1",
    labels=LABELS,
    status="firing",
    onset=ONSET,
    fired_at=datetime(2025, 3, 1, 12, 0, 1, 500_000, tzinfo=UTC),
    summary="responses drifted in model=gpt-x",
    signals=("response.embedding", "relation"),
    evidence={"effect": {"psi": 0.25, "traces": 512}, "examples": ["t-1", "t-2"]},
    severity="critical",
)
CHANGE = Change("alert.firing", ALERT, at=ALERT.fired_at)


def test_the_whole_message() -> None:
    assert json.loads(alert_message(CHANGE)) == {
        "type": "alert.firing",
        "timestamp": "2025-03-01T12:00:01.500000Z",
        "data": {
            "id": "a-1",
            "fingerprint": fingerprint(LABELS),
            "status": "firing",
            "labels": LABELS,
            "onset": "2025-03-01T11:57:00Z",
            "fired_at": "2025-03-01T12:00:01.500000Z",
            "resolved_at": None,
            "resolution": None,
            "severity": "critical",
            "summary": "responses drifted in model=gpt-x",
            "signals": ["response.embedding", "relation"],
            "evidence": {"effect": {"psi": 0.25, "traces": 512}, "examples": ["t-1", "t-2"]},
        },
    }


def test_a_resolved_alert_says_when() -> None:
    over = ALERT.resolved(ONSET + timedelta(hours=2), "accepted")
    message = json.loads(alert_message(Change("alert.resolved", over, at=ONSET + timedelta(hours=2))))

    assert message["type"] == "alert.resolved"
    assert message["data"]["status"] == "resolved"
    assert message["data"]["resolution"] == "accepted"
    assert message["data"]["resolved_at"] == message["timestamp"] == "2025-03-01T13:57:00Z"


def test_the_bytes_depend_on_neither_order_nor_zone() -> None:
    turned = replace(
        ALERT,
        labels=MappingProxyType(dict(reversed(LABELS.items()))),
        onset=ONSET.astimezone(timezone(timedelta(hours=-5))),
        signals=list(ALERT.signals),
        evidence=dict(reversed(ALERT.evidence.items())),
    )

    assert alert_message(replace(CHANGE, alert=turned)) == alert_message(CHANGE)


def test_evidence_may_hold_numpy_and_text_beyond_ascii() -> None:
    evidence = {
        "e": np.float64(0.5),
        "n": np.int64(3),
        "mean": np.array([1.0, 2.0]),
        "nan": float("nan"),
        "topic": "größe",
    }
    message = alert_message(replace(CHANGE, alert=replace(ALERT, evidence=evidence)))

    assert json.loads(message)["data"]["evidence"] == {
        "e": 0.5,
        "n": 3,
        "mean": [1.0, 2.0],
        "nan": None,
        "topic": "größe",
    }


def test_evidence_that_is_no_json_is_a_mistake() -> None:
    with pytest.raises(NotImplementedError, match="evidence must be JSON, got a object"):
        alert_message(replace(CHANGE, alert=replace(ALERT, evidence={"x": object()})))
