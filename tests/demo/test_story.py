from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.demo.findings import Alert, Progress, questions
from monitor.demo.receiver import Arrival
from monitor.demo.story import PANE, Outcome, Plan, missing
from monitor.model.build import build_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan.of(3, traces=600, now=NOW)


def arrived(plan: Plan, *, type_: str = "alert.firing", build: str | None = None) -> Arrival:
    summary = f"all traffic: latency 0.5 → 1.2 since 10:30 UTC; build {build or plan.bad} answers otherwise (99 %)"
    return Arrival("msg_1", {"type": type_, "data": {"summary": summary}})


@pytest.fixture
def good(plan: Plan) -> Outcome:
    onset = plan.changed_at + PANE
    alert = Alert("alert_1", "firing", "all", onset, onset, "all traffic: …", ("latency",))
    return Outcome(Progress(stored=600, judged=600), [alert], [arrived(plan)], 0)


def test_the_plan_is_four_hours_that_end_now_with_a_change_after_three_fifths(plan: Plan) -> None:
    times = [trace.time for trace in plan.traces]
    bad = [build_of(trace) == plan.bad for trace in plan.traces]
    assert timedelta(0) < NOW - times[-1] < timedelta(minutes=2)
    assert timedelta(hours=3, minutes=58) < times[-1] - times[0] < timedelta(hours=4)
    assert bad == [False] * 360 + [True] * 240
    assert times[359] < plan.changed_at == times[360]
    assert plan.reference == 225
    assert plan.good.startswith("orrel-assistant:fp16-")
    assert plan.bad.startswith("orrel-assistant:int4-")


def test_nothing_is_missing_from_a_good_end(plan: Plan, good: Outcome) -> None:
    assert missing(plan, good) == []


def test_each_thing_that_is_missing_is_named(plan: Plan, good: Outcome) -> None:
    changed_at = f"{plan.changed_at:%H:%M:%S} UTC"
    early = replace(good.alerts[0], onset=plan.changed_at - 7 * PANE)
    cases = {
        "expected 600 traces stored and none rejected, found 598 and 2": replace(
            good, progress=Progress(stored=598, rejects=2)
        ),
        "expected one alert, found 0": replace(good, alerts=[]),
        "expected one verified message, alert.firing, got none": replace(good, arrivals=[]),
        "expected one verified message, alert.firing, got alert.firing, alert.resolved": replace(
            good, arrivals=[arrived(plan), arrived(plan, type_="alert.resolved")]
        ),
        "expected every message to be signed, 1 were not": replace(good, refused=1),
        f"expected an onset within 6 panes of {changed_at}, found {early.onset:%H:%M:%S} UTC": replace(
            good, alerts=[early]
        ),
    }
    assert {told: missing(plan, outcome) for told, outcome in cases.items()} == {told: [told] for told in cases}


def test_a_message_that_blames_another_build_is_not_good_enough(plan: Plan, good: Outcome) -> None:
    (told,) = missing(plan, replace(good, arrivals=[arrived(plan, build=plan.good)]))
    assert told.startswith(f"expected the message to name build {plan.bad}, it says: all traffic: latency")


def test_the_sql_that_is_shown_can_be_run_as_it_stands() -> None:
    shown = questions("name:'1")[2].runnable
    assert "AND t.build = 'name:''1'\n" in shown
    assert ":build" not in shown
