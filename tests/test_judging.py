"""The judge end to end: traces in, verdicts, alerts and messages out, in memory and in Postgres."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest

from monitor.events import AlertChanged, PanesJudged
from monitor.judging import Budget, Judge, replay
from monitor.model.alert import Alert, Change
from monitor.model.segment import Segment
from tests.site import ACME, ALL, BACK, CHANGED, END, MOVED, NEW, OLD, PACE, PER_PANE, REFERENCE, Site
from tests.stores import (
    KINDS_OF_STORES,
    PANE,
    START,
    InMemory,
    Stores,
    opened,
)


@pytest.fixture(params=KINDS_OF_STORES)
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    with opened(request) as found:
        yield found


def test_a_planted_change_is_one_alert_that_resolves(stores: Stores) -> None:
    site = Site(stores, "pager", "chat")
    site.learn()
    site.run(ticks_every=1)
    whole = [alert for alert in stores.alerts() if alert.labels["segment"] == "all"]

    (alert,) = whole
    assert tuple(alert.signals) == MOVED
    assert START + CHANGED * PANE <= alert.onset <= START + (CHANGED + 1) * PANE
    assert timedelta(0) < alert.fired_at - (START + CHANGED * PANE) <= 6 * PANE
    assert alert.status == "resolved"
    assert alert.resolved_at is not None
    assert START + BACK * PANE < alert.resolved_at < START + END * PANE
    evidence = alert.evidence["response.tokens"]
    assert (evidence["effect_kind"], evidence["unit"]) == ("psi", "tokens")
    assert evidence["reference"] == pytest.approx(100, abs=5)
    assert evidence["now"] == pytest.approx(150, abs=10)
    assert stores.posted() == [
        ("alert.firing", "all", "chat"),
        ("alert.firing", "all", "pager"),
        ("alert.resolved", "all", "chat"),
        ("alert.resolved", "all", "pager"),
    ]


def test_the_change_is_laid_to_the_build_that_made_it(stores: Stores) -> None:
    site = Site(stores)
    baseline = site.learn()
    site.run(ticks_every=1)
    alert = next(alert for alert in stores.alerts() if alert.labels["segment"] == "all")
    shares = alert.evidence["response.tokens"]["shares"]

    assert shares.keys() == {f"build={OLD}", f"build={NEW}", "tenant=acme", "tenant=other"}
    assert shares[f"build={NEW}"] == pytest.approx(1, abs=0.15)
    assert shares[f"build={OLD}"] + shares[f"build={NEW}"] == pytest.approx(1, abs=1e-9)
    assert shares["tenant=acme"] + shares["tenant=other"] == pytest.approx(1, abs=1e-9)
    assert alert.summary.startswith("all traffic: ")
    assert re.search(r"response.tokens rose from (99|100|101) to 1[45]\d tokens", alert.summary)
    # Without embeddings nothing is said of whether the prompts moved.
    assert f" on build {NEW} since " in alert.summary
    assert alert.summary.endswith("; longer answers")
    explanation = alert.evidence["explanation"]
    first, last = explanation["causes"]
    assert (first["kind"], first["name"], first["beside"]) == ("build", NEW, [])
    assert first["share"] == pytest.approx(1, abs=0.15)
    assert first["p_value"] < 1e-6
    assert (last["kind"], first["share"] + last["share"]) == ("unexplained", pytest.approx(1))
    assert explanation["behaviour"] == {signal: pytest.approx(1, abs=0.15) for signal in MOVED}
    assert explanation["prompts_moved"] is None
    assert explanation["traces"]["before"] >= REFERENCE * PER_PANE - len(baseline.shaped) * PER_PANE
    assert all(example["tenant"] == "acme" and example["place"] > 1 for example in explanation["examples"])


def test_the_part_of_the_traffic_that_drifts_too_is_recorded_but_tells_nobody(stores: Stores) -> None:
    site = Site(stores, "pager")
    site.learn()
    site.run(ticks_every=1)
    alerts = {alert.labels["segment"]: alert for alert in stores.alerts()}

    assert alerts.keys() == {"all", "tenant=acme"}
    assert alerts["tenant=acme"].inhibited_by == alerts["all"].id
    assert alerts["tenant=acme"].status == "resolved"
    assert {segment for _, segment, _ in stores.posted()} == {"all"}


@pytest.mark.parametrize(
    ("build", "minutes", "over", "pages"),
    [(NEW, 0, False, 0), (OLD, 0, False, 1), (NEW, 120, False, 1), (NEW, 14, False, 0), (NEW, 14, True, 1)],
)
def test_what_canaries_have_just_told_of_pages_nobody_again(
    build: str, minutes: int, *, over: bool, pages: int
) -> None:
    stores = InMemory()
    at = START + CHANGED * PANE - timedelta(minutes=minutes)
    causes = [{"kind": "build", "name": build}]
    labels = {"kind": "canary", "segment": "canary=bot"}
    canary = Alert("alert_canary", labels, "firing", at, at, "it", (), {"explanation": {"causes": causes}})
    stores.database.write_change(Change("alert.firing", canary.resolved(at) if over else canary, at), ())
    site = Site(stores, "pager")
    site.learn()
    site.run(ticks_every=1)

    drifts = [alert for alert in stores.alerts() if alert.labels == {"kind": "drift", "segment": "all"}]
    assert [(alert.status, alert.paged) for alert in drifts] == [("resolved", bool(pages))]
    assert len(stores.posted()) == 2 * pages


def test_the_judge_tells_what_it_did(stores: Stores) -> None:
    site = Site(stores)
    site.learn()
    site.run(ticks_every=1)
    changes = [event for event in site.events if isinstance(event, AlertChanged)]
    panes = [event for event in site.events if isinstance(event, PanesJudged) and event.segment == "all"]

    told = [event.happening for event in changes if event.labels["segment"] == "all"]
    # Nine panes of drift: explained again when they were two, four and eight.
    assert told == ["alert.firing", *["alert.updated"] * 3, "alert.resolved"]
    judged = sum(event.panes for event in panes)
    assert (judged, sum(event.traces for event in panes)) == (END - 1 - REFERENCE, PER_PANE * judged)
    assert {event.drifted for event in panes} == {(), MOVED}


def verdicts(stores: Stores, *, ticks_every: int) -> Sequence[tuple[object, ...]]:
    site = Site(stores)
    site.learn()
    site.run(ticks_every=ticks_every)
    return stores.verdicts()


def test_one_tick_and_many_give_the_same_verdicts(stores: Stores) -> None:
    many = verdicts(InMemory(), ticks_every=1)
    one = verdicts(stores, ticks_every=10 * END)

    assert one == many
    assert len({pane for pane, *_ in one}) >= END - REFERENCE - 2
    assert any(drifted for *_, drifted in one)


def test_what_was_stored_is_what_a_replay_says(stores: Stores) -> None:
    site = Site(stores)
    baseline = site.learn()
    site.run(ticks_every=7)
    again = replay(baseline, stores.judged(baseline).items(), pace=PACE, budget=Budget())

    told = sorted((v.pane, v.segment, v.signal, v.n, v.log_e, v.drifted) for v in again)
    assert told == stores.verdicts()
    assert {segment for _, segment, *_ in told} == {ALL, ACME, Segment.of(tenant="other"), Segment.of(build=OLD)}


def test_a_larger_budget_alarms_no_later() -> None:
    stores = InMemory()
    site = Site(stores)
    baseline = site.learn()
    site.run(ticks_every=1)

    def first(false_alarms: float) -> datetime:
        found = replay(baseline, stores.judged(baseline).items(), pace=PACE, budget=Budget(false_alarms))
        return min(verdict.pane for verdict in found if verdict.drifted and verdict.segment == ALL)

    assert START + CHANGED * PANE <= first(100.0) <= first(1.0) <= first(1e-6)


def test_two_judges_that_take_turns_judge_as_one(stores: Stores) -> None:
    site = Site(stores, "pager")
    baseline = site.learn()
    other = Judge(stores.watches("pager"), pace=PACE, budget=Budget(), clock=site.clock, emit=site.emit)
    for pane in range(REFERENCE + 2, CHANGED + 6):
        site.consume(pane)
        (site.judge, other)[pane % 2].tick()

    told = sorted(
        (v.pane, v.segment, v.signal, v.n, v.log_e, v.drifted)
        for v in replay(baseline, stores.judged(baseline).items(), pace=PACE, budget=Budget())
    )
    assert stores.verdicts() == told
    assert stores.posted() == [("alert.firing", "all", "pager")]


def test_without_a_baseline_or_a_trace_there_is_nothing_to_judge(stores: Stores) -> None:
    site = Site(stores)
    before = site.judge.tick()
    site.consume(0)

    assert (before, site.judge.tick()) == (0, 0)
    assert stores.verdicts() == []


def test_open_panes_wait_for_their_end_and_the_lateness(stores: Stores) -> None:
    site = Site(stores)
    site.learn()
    site.judge.tick()
    judged = max(pane for pane, *_ in stores.verdicts())

    # Pane 11 is the newest: its last trace came before its end, and pane 10 still waits for stragglers of 30 s.
    assert judged == START + REFERENCE * PANE
