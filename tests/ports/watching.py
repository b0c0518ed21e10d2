"""Stores with a baseline, and what a judge does with them."""

from dataclasses import replace
from datetime import datetime, timedelta

from detectors.effect import Effect
from monitor.model.alert import Alert, Change
from monitor.model.baseline import Baseline
from monitor.model.segment import Segment
from monitor.model.verdict import Verdict
from monitor.ports import Claim, WatchStore
from tests.stores import (
    FIRST,
    PANE,
    SECOND,
    START,
    Stores,
    line,
    no_sums,
    small_baseline,
    unit,
)

ALL, ACME = Segment(), Segment.of(tenant="acme")
LATER = START + timedelta(hours=1)


def begun(stores: Stores) -> Baseline:
    """A baseline in force, and two partitions to read."""
    stores.traces().positions({FIRST: 0, SECOND: 0})
    return stores.baselines().activate(small_baseline(), no_sums)


def add(stores: Stores, baseline: Baseline, numbers: range, *, first: int) -> None:
    """Traces ``t<number>``, one in each pane of that number."""
    lines = [line(number, START + number * PANE) for number in numbers]
    stores.traces().commit(unit(lines, first=first, baseline=baseline))


def verdict(segment: Segment, pane: datetime) -> Verdict:
    effect = Effect("psi", 0.5, 99.5, 120.0, 0.25, 0.0, 0.0)
    return Verdict(segment, "response.tokens", 1, pane, 3.0, effect, 12.5, 11.0, drifted=False, onset=None, shares={})


def alert(name: str = "alert_1", *, segment: Segment = ALL, inhibited_by: str | None = None) -> Alert:
    labels = {"kind": "drift", "segment": str(segment)}
    evidence = {"response.tokens": {"effect": 0.5, "shares": {"tenant=acme": 1.0}}}
    return Alert(name, labels, "firing", START, LATER, "it moved", ("response.tokens",), evidence, inhibited_by)


def judge(store: WatchStore, baseline: Baseline, *changes: Change, segment: Segment = ALL) -> Claim | None:
    """Claims a segment and records its panes, with the changes given."""
    with store.claim(baseline, segment, LATER) as claim:
        if claim is not None:
            until = max(claim.panes) + PANE
            watch = replace(claim.watch, judged_until=until, recent=(*claim.watch.recent, *claim.panes))
            store.record(claim, watch, [verdict(segment, max(claim.panes))], changes)
    return claim
