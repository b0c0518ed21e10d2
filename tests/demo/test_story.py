from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.demo.acts import Seen, acts
from monitor.demo.deployments import CUT, Deployment
from monitor.demo.findings import Alert, Progress, Reference
from monitor.demo.receiver import Arrival
from monitor.demo.story import Played, missing, row

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LEARNING, NEWSLETTER, FORGOTTEN, INT4, BACK, *_ = acts(Deployment("an int4 build", CUT.folder))
NOBODY: Counter[str] = Counter()
QUIET = Progress(stored=900, judged=200, reference=Reference(600, 1))


def alert(kind: str = "drift", *, paged: bool = True, status: str = "firing", cause: str = "build") -> Alert:
    causes = [{"kind": cause, "name": "int4-1", "share": 0.9}]
    at = NOW + timedelta(seconds=5)
    return Alert(f"alert_{kind}", kind, "all", status, paged, NOW, at, "all traffic: …", ("latency",), causes)


def seen(*alerts: Alert, progress: Progress = QUIET) -> Seen:
    return Seen(NOW, replace(progress, alerts=alerts))


def test_learning_ends_with_a_reference_and_some_quiet_traces() -> None:
    assert LEARNING.reached(seen())
    assert not LEARNING.reached(seen(progress=Progress(stored=900)))
    assert not LEARNING.reached(seen(progress=replace(QUIET, judged=20)))


def test_other_questions_are_reported_without_a_page() -> None:
    assert NEWSLETTER.reached(seen(alert(paged=False, cause="traffic_mix")))
    assert not NEWSLETTER.reached(seen(alert(cause="traffic_mix")))


@pytest.mark.parametrize(
    ("alerts", "reached"),
    [
        ([alert(), alert("canary")], True),
        ([alert(), alert("canary", paged=False)], True),  # told by the drift alert already
        ([alert()], False),
        ([alert("canary")], False),
        ([alert(cause="unexplained"), alert("canary")], False),
        ([alert(paged=False), alert("canary")], True),  # told by the canaries already
        ([alert(paged=False), alert("canary", paged=False)], False),
    ],
)
def test_a_bad_build_is_caught_by_canaries_and_by_a_drift_that_names_it(alerts: list[Alert], reached: bool) -> None:
    assert INT4.reached(seen(*alerts)) is reached
    earlier = [replace(each, fired_at=NOW - timedelta(seconds=5)) for each in alerts]
    assert not INT4.reached(seen(*earlier))


def test_all_is_over_when_no_alert_is_open() -> None:
    assert BACK.reached(seen(alert(status="resolved")))
    assert not BACK.reached(seen(alert(status="acknowledged")))


@pytest.fixture
def story() -> list[Played]:
    outcomes = Counter({"right": 70, "honest": 20, "wrong": 10})
    caught = seen(alert(), alert("canary"))
    return [
        Played(LEARNING, 900, outcomes, seen(), NOBODY, []),
        Played(NEWSLETTER, 250, outcomes, seen(alert(paged=False, cause="traffic_mix")), NOBODY, []),
        Played(FORGOTTEN, 400, outcomes, seen(), NOBODY, []),
        Played(INT4, 200, outcomes, caught, Counter({"canary": 1}), ["4 canaries", "100 answers"]),
        Played(BACK, 300, outcomes, seen(), NOBODY, []),
    ]


def test_nothing_is_missing_from_a_good_story(story: list[Played]) -> None:
    assert missing(story, [Arrival("msg_1", {}), Arrival("msg_2", {})], 0) == []


def test_each_thing_that_is_missing_is_named(story: list[Played]) -> None:
    story[3] = replace(story[3], pages=Counter({"canary": 1, "drift": 1}))
    story[1] = replace(story[1], seen=seen())
    story[4] = replace(story[4], seen=seen(alert(), progress=replace(QUIET, rejects=2)), pages=Counter({"drift": 1}))

    assert missing(story, [Arrival("msg_1", {}), Arrival("msg_1", {})], 1) == [
        "newsletter: expected a drift laid to traffic that pages nobody within 600 questions",
        "taken back: expected all alerts resolved within 2500 questions",
        "int4: expected 1 page, got 2",
        "taken back: expected no page, got 1",
        "message msg_1 came 2 times",
        "expected every message to be signed, 1 were not",
        "expected no trace to be rejected, 2 were",
    ]


def test_an_act_is_a_row_with_its_outcomes_and_what_found_it(story: list[Played]) -> None:
    assert row(story[3]) == {
        "act": "int4", "questions": 200, "right": "70 %", "honest": "20 %", "wrong": "10 %", "stopped": "0 %",
        "paged by": "canary", "found after": "4 canaries, 100 answers",
    }  # fmt: skip
    assert row(story[0])["paged by"] == "nobody"
