"""What every watch store keeps, the fake and the real one alike."""

from dataclasses import replace
from datetime import datetime
from hashlib import md5

import pytest

from monitor.model.alert import Change
from monitor.model.baseline import Baseline
from monitor.model.segment import Segment
from monitor.watch import Watch
from tests.ports.watching import ACME, ALL, LATER, add, alert, judge, verdict
from tests.stores import (
    PANE,
    SECOND,
    START,
    Stores,
    line,
    no_sums,
    small_baseline,
    told,
    unit,
)


def test_segments_with_open_panes_are_ready_all_traffic_first(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(3), first=0)
    store = stores.watches()

    ready = store.ready(baseline, START + PANE)
    assert (ready[0], set(ready[1:]) >= {ACME}, len(ready)) == (ALL, True, 3)
    assert store.ready(baseline, START) == []


def test_a_claim_holds_the_sums_of_the_panes_that_are_closed(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(3), first=0)
    stores.traces().commit(unit([line(9, START + PANE)], partition=SECOND, baseline=baseline))
    both = unit([line(1, START + PANE), line(9, START + PANE)], baseline=baseline).sums[0].sum

    with stores.watches().claim(baseline, ALL, START + 2 * PANE) as claim:
        assert claim is not None
    assert claim.watch == Watch(ALL, 1)
    assert list(claim.panes) == [START, START + PANE]
    assert told(claim.panes[START + PANE]) == told(both)


def test_alerts_of_canaries_are_those_that_people_were_told_of_since(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(1), first=0)
    canary = replace(alert("alert_2"), labels={"kind": "canary", "segment": "canary=bot"})
    silent = replace(canary, id="alert_3", labels={"kind": "canary", "segment": "canary=other"}, paged=False)
    gone, accepted = (
        replace(canary, id=name, labels={"kind": "canary", "segment": name}).resolved(LATER + PANE, how)
        for name, how in (("alert_4", "cleared"), ("alert_5", "accepted"))
    )
    made = (alert(), canary, silent, gone, accepted)
    judge(stores.watches(), baseline, *(Change("alert.firing", each, LATER) for each in made))

    store = stores.watches()
    ids = ["alert_2", "alert_4", "alert_5"]
    assert [found.id for found in store.canary_alerts(LATER, over=LATER)] == ids
    assert [found.id for found in store.canary_alerts(LATER, over=LATER + 2 * PANE)] == ["alert_2", "alert_5"]
    assert store.canary_alerts(LATER + PANE, over=LATER) == []
    with store.claim(baseline, ACME, LATER) as claim:
        assert claim is not None
        assert [found.id for found in store.canary_alerts(LATER, over=LATER)] == ids


def test_nothing_due_is_no_claim(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(1), first=0)

    with (
        stores.watches().claim(baseline, ALL, START) as before,
        stores.watches().claim(baseline, Segment.of(tenant="x"), LATER) as other,
    ):
        assert (before, other) == (None, None)


def test_what_is_claimed_nobody_else_gets_and_other_segments_are_free(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(1), first=0)
    one, two = stores.watches(), stores.watches()

    with one.claim(baseline, ALL, LATER) as mine:
        with two.claim(baseline, ALL, LATER) as same:
            pass
        with two.claim(baseline, ACME, LATER) as another:
            pass
    with two.claim(baseline, ALL, LATER) as after:
        pass
    assert (mine is not None, same, another is not None, after is not None) == (True, None, True, True)


def test_judged_panes_are_kept_and_not_due_again(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(3), first=0)
    store = stores.watches()
    claim = judge(store, baseline)

    assert claim is not None
    assert [told(total) for total in stores.judged(baseline)[ALL].values()] == [told(t) for t in claim.panes.values()]
    assert stores.verdicts() == [(START + 2 * PANE, ALL, "response.tokens", 3.0, 12.5, False)]
    assert judge(store, baseline) is None
    assert ALL not in store.ready(baseline, LATER)


def test_the_watch_comes_back_as_it_was_recorded(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(2), first=0)
    judge(stores.watches(), baseline)
    add(stores, baseline, range(5, 6), first=2)
    claim = judge(stores.watches(), baseline)

    assert claim is not None
    assert claim.watch == Watch(ALL, 1, START + 2 * PANE, {}, (START, START + PANE))
    assert list(claim.panes) == [START + 5 * PANE]


def test_late_traces_are_counted_and_change_no_judged_pane(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(3), first=0)
    claim = judge(stores.watches(), baseline)
    late = [line(20, START), line(21, START + PANE)]
    stores.traces().commit(unit(late, first=3, baseline=baseline))

    again = judge(stores.watches(), baseline)
    assert claim is not None
    assert again is None
    assert stores.late(baseline) == {ALL: 2.0}
    assert [total.n for total in stores.judged(baseline)[ALL].values()] == [1.0, 1.0, 1.0]
    assert ALL not in stores.watches().ready(baseline, LATER)


def test_late_traces_beside_fresh_ones_are_set_aside(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(2), first=0)
    judge(stores.watches(), baseline)
    stores.traces().commit(unit([line(20, START), line(21, START + 7 * PANE)], first=2, baseline=baseline))

    claim = judge(stores.watches(), baseline)
    assert claim is not None
    assert list(claim.panes) == [START + 7 * PANE]
    assert stores.late(baseline) == {ALL: 1.0}


def test_traces_that_come_in_while_a_pane_is_judged_are_late_not_lost(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(1), first=0)
    store = stores.watches()
    with store.claim(baseline, ALL, LATER) as claim:
        assert claim is not None
        stores.traces().commit(unit([line(20, START)], first=1, baseline=baseline))
        store.record(claim, replace(claim.watch, judged_until=START + PANE), [], [])
    judge(stores.watches(), baseline)

    assert [total.n for total in stores.judged(baseline)[ALL].values()] == [1.0]
    assert stores.late(baseline) == {ALL: 1.0}


def test_an_error_within_a_claim_leaves_everything_as_it_was(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(2), first=0)
    store = stores.watches("pager")

    def failing() -> None:
        with store.claim(baseline, ALL, LATER) as claim:
            assert claim is not None
            firing = Change("alert.firing", alert(), LATER)
            store.record(claim, replace(claim.watch, judged_until=LATER), [verdict(ALL, START)], [firing])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()

    assert (stores.verdicts(), stores.alerts(), stores.posted()) == ([], [], [])
    assert store.alert(alert().labels) is None
    with store.claim(baseline, ALL, LATER) as again:
        assert again is not None
    assert again.watch == Watch(ALL, 1)
    assert list(again.panes) == [START, START + PANE]


def test_parts_are_the_sums_of_a_span_judged_or_not(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(4), first=0)
    store = stores.watches()
    whole = store.parts(baseline, START + PANE, START + 3 * PANE)
    with store.claim(baseline, ALL, LATER) as claim:
        assert claim is not None
        within = store.parts(baseline, START + PANE, START + 3 * PANE)
        store.record(claim, replace(claim.watch, judged_until=START + 4 * PANE), [], [])
    after = store.parts(baseline, START + PANE, START + 3 * PANE)

    assert {segment: total.n for segment, total in whole.items() if segment in (ALL, ACME)} == {ALL: 2.0, ACME: 2.0}
    assert told(whole[ALL]) == told(within[ALL]) == told(after[ALL])


def sampled(stores: Stores, segment: Segment, spans: list[tuple[datetime, datetime]], limit: int = 100) -> list[str]:
    return [item.trace.id for item in stores.watches().sample(segment, spans, limit).traces]


def test_a_sample_holds_the_traces_of_spans_and_of_a_segment_by_time(stores: Stores, baseline: Baseline) -> None:
    labels = {"tenant": "zeta", "labels": {"team": "a"}}
    lines = [
        *(line(number, START + number * PANE, service={"name": "app"}) for number in range(6)),
        line(6, START + PANE, tenant="zeta", prompt_template={"name": "qa", "version": "2"}),
        line(7, START + 2 * PANE, segment=labels),
    ]
    stores.traces().commit(unit(lines, baseline=baseline))
    whole = [(START, LATER)]

    assert sampled(stores, ALL, [(START + PANE, START + 3 * PANE), (START + 5 * PANE, LATER)]) == [
        "t1", "t6", "t2", "t7", "t5",
    ]  # fmt: skip
    assert sampled(stores, ACME, whole) == ["t0", "t1", "t2", "t3", "t4", "t5"]
    assert sampled(stores, Segment.of(tenant="zeta"), whole) == ["t6", "t7"]
    assert sampled(stores, Segment.of(prompt_template="qa@2"), whole) == ["t6"]
    assert sampled(stores, Segment.of(service="app", tenant="acme"), [(START, START + PANE)]) == ["t0"]
    assert sampled(stores, Segment((("labels.team", "a"),)), whole) == ["t7"]
    assert sampled(stores, Segment.of(tenant="nobody"), whole) == sampled(stores, ALL, []) == []


def test_a_sample_is_bounded_and_the_same_every_time(stores: Stores, baseline: Baseline) -> None:
    stores.traces().commit(unit([line(number) for number in range(50)], baseline=baseline))
    chosen = sorted(range(50), key=lambda number: md5(f"t{number}".encode(), usedforsecurity=False).hexdigest())[:10]

    assert sampled(stores, ALL, [(START, LATER)], 10) == sorted(f"t{number}" for number in chosen)


def test_a_sample_comes_with_its_signals_in_a_claim_too(stores: Stores, baseline: Baseline) -> None:
    stores.traces().commit(unit([line(1, tokens=70), line(2, tokens=80)], baseline=baseline))
    store = stores.watches()
    with store.claim(baseline, ALL, LATER):
        found = store.sample(ALL, [(START, LATER)], 10)

    assert list(found.columns["response.tokens"]) == [70.0, 80.0]
    assert list(found.columns["finish_reason"]) == ["stop", "stop"]


def test_an_alert_goes_from_firing_to_resolved(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(1), first=0)
    store = stores.watches("pager", "chat")
    judge(store, baseline, Change("alert.firing", alert(), LATER))
    opened_alert = store.alert({"segment": "all", "kind": "drift"})
    more = replace(alert(), signals=("response.tokens", "latency"), summary="both moved", onset=START - PANE)
    add(stores, baseline, range(1, 2), first=1)
    judge(store, baseline, Change("alert.updated", more, LATER))
    updated = store.alert(alert().labels)
    over = replace(more, status="resolved", resolved_at=LATER + PANE)
    add(stores, baseline, range(2, 3), first=2)
    judge(store, baseline, Change("alert.resolved", over, LATER + PANE))

    assert opened_alert == alert()
    assert updated == more
    assert store.alert(alert().labels) is None
    assert stores.alerts() == [over]
    assert stores.happenings() == ["alert.firing", "alert.updated", "alert.resolved"]
    assert stores.posted() == [
        ("alert.firing", "all", "chat"),
        ("alert.firing", "all", "pager"),
        ("alert.resolved", "all", "chat"),
        ("alert.resolved", "all", "pager"),
    ]


def test_an_inhibited_alert_is_recorded_and_not_posted(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(1), first=0)
    store = stores.watches("pager")
    judge(store, baseline, Change("alert.firing", alert(), LATER))
    part = replace(alert("alert_2", segment=ACME, inhibited_by="alert_1"), paged=False)
    judge(store, baseline, Change("alert.firing", part, LATER), segment=ACME)

    assert store.alert(part.labels) == part
    assert stores.posted() == [("alert.firing", "all", "pager")]


def test_an_alert_without_receivers_is_recorded(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(1), first=0)
    judge(stores.watches(), baseline, Change("alert.firing", alert(), LATER))

    assert (stores.alerts(), stores.posted()) == ([alert()], [])


def test_panes_of_another_baseline_are_not_due(stores: Stores, baseline: Baseline) -> None:
    add(stores, baseline, range(1), first=0)
    following = stores.baselines().activate(small_baseline(), no_sums)
    store = stores.watches()

    assert store.ready(following, LATER) == []
    with store.claim(following, ALL, LATER) as claim:
        assert claim is None
    assert store.parts(following, START, LATER) == {}
    assert ALL in store.ready(baseline, LATER)
