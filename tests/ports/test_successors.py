"""What every store does when references are accepted."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from detectors.sequential import bank, start
from monitor.errors import Stale, Transient
from monitor.model.alert import Alert, Change
from monitor.model.baseline import Baseline
from monitor.model.scored import Scored
from monitor.model.segment import Segment
from monitor.ports import WatchStore
from tests.stores import (
    FIRST,
    PANE,
    START,
    Stores,
    line,
    no_sums,
    small_baseline,
    unit,
)

ALL = Segment()


def ids(scored: Scored) -> list[str]:
    return [item.trace.id for item in scored.traces]


def counts(stores: Stores, baseline: Baseline) -> dict[str, float]:
    """Traces in the sums of each segment, whatever their panes."""
    parts = stores.watches().parts(baseline, START - timedelta(days=1), START + timedelta(days=1))
    return {str(segment): total.n for segment, total in parts.items()}


def test_sums_and_watches_go_on_under_the_next_version(stores: Stores) -> None:
    stores.traces().positions({FIRST: 0})
    first = stores.baselines().activate(small_baseline(), no_sums)
    stores.traces().commit(unit([line(1, START), line(2, START + PANE)], baseline=first))
    judge(stores.watches(), first, START + PANE, signals=("response.tokens", "kept"))
    second = stores.baselines().succeed(first, {ALL: ["response.tokens"]}, lambda _alerts: [])

    stores.traces().commit(unit([line(3, START + PANE)], first=2, baseline=second))
    with stores.watches().claim(second, ALL, START + 2 * PANE) as claim:
        assert claim is not None
    assert (second.version, stores.baselines().baseline().version) == (2, 2)  # type: ignore[union-attr]
    assert (claim.watch.baseline, claim.watch.judged_until) == (2, START + PANE)
    assert claim.watch.memories.keys() == {"kept"}
    assert {start: total.n for start, total in claim.panes.items()} == {START + PANE: 2.0}
    assert stores.watches().ready(first, START + 2 * PANE) == []


def test_sums_made_with_the_baseline_before_are_stale(stores: Stores) -> None:
    stores.traces().positions({FIRST: 0})
    first = stores.baselines().activate(small_baseline(), no_sums)
    stores.baselines().succeed(first, {}, lambda _alerts: [])

    with pytest.raises(Stale, match="baseline 1 was replaced by 2"):
        stores.traces().commit(unit([line(1)], baseline=first))


def test_a_baseline_that_is_not_in_force_any_more_has_no_successor(stores: Stores) -> None:
    first = stores.baselines().activate(small_baseline(), no_sums)
    stores.baselines().activate(small_baseline(), no_sums)

    with pytest.raises(Transient, match="baseline 1 is not in force any more"):
        stores.baselines().succeed(first, {}, lambda _alerts: [])
    assert stores.baselines().baseline().version == 2  # type: ignore[union-attr]


def test_what_is_settled_with_a_baseline_is_stored_and_told(stores: Stores) -> None:
    first = stores.baselines().activate(small_baseline(), no_sums)
    stores.traces().positions({FIRST: 0})
    stores.traces().commit(unit([line(1)], baseline=first))
    labels = {"kind": "drift", "segment": "all"}
    alert = Alert("alert_1", labels, "firing", START, START, "it moved", ("response.tokens",), {})
    other = Alert("alert_2", {"kind": "ingest_stalled", "segment": "all"}, "firing", START, START, "stalled", (), {})
    firing = [Change("alert.firing", each, START) for each in (alert, other)]
    judge(stores.watches(), first, START + PANE, changes=firing)
    seen: list[Alert] = []

    def settle(alerts: Sequence[Alert]) -> Sequence[Change]:
        seen.extend(alerts)
        return [Change("alert.resolved", alerts[0].resolved(START + PANE, "accepted"), START + PANE)]

    opened = stores.baselines().open_drifts()
    stores.baselines("pager").succeed(first, {}, settle)
    assert [each.id for each in opened] == [each.id for each in seen] == ["alert_1"]
    assert stores.baselines().open_drifts() == []
    assert stores.alerts() == [alert.resolved(START + PANE, "accepted"), other]
    assert stores.posted() == [("alert.resolved", "all", "pager")]


def test_the_newest_traces_begin_with_the_first_of_them(stores: Stores) -> None:
    stores.traces().positions({FIRST: 0})
    stores.traces().commit(unit([line(number, START + number * PANE) for number in (3, 1, 2, 0)]))
    store = stores.baselines()

    assert [store.start_of_last(count) for count in (1, 3, 4, 5)] == [START + 3 * PANE, START + PANE, None, None]


def judge(
    store: WatchStore,
    baseline: Baseline,
    closed: datetime,
    *,
    signals: Sequence[str] = (),
    changes: Sequence[Change] = (),
) -> None:
    """Claims all traffic up to an instant and records memories of these signals."""
    memory = start(bank(baseline.stack.maps["response.tokens"], list(baseline.references[ALL].values())))
    with store.claim(baseline, ALL, closed) as claim:
        assert claim is not None
        watch = replace(claim.watch, judged_until=closed, memories=dict.fromkeys(signals, memory))
        store.record(claim, watch, [], changes)
