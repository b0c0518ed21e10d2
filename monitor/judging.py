"""The judge: closed panes become verdicts, verdicts become alerts, alerts become messages, in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from detectors.base import Sum
from detectors.effect import contributions
from detectors.sequential import Bank
from monitor.alerting import explained, labels_of, merged, onset_of, reviewed, transition, unexplained
from monitor.errors import Transient
from monitor.events import AlertChanged, Away, Back, PanesJudged
from monitor.explaining import NEW_TRACES, RECENT_TRACES, REFERENCE_TRACES, diagnose, windows
from monitor.model.alert import Alert, Change
from monitor.model.baseline import Baseline
from monitor.model.diagnosis import Case, Diagnosis
from monitor.model.scored import joined
from monitor.model.segment import Segment
from monitor.model.verdict import Verdict
from monitor.paging import SAME_CHANGE, builds_told
from monitor.ports import Claim, Clock, Emit, WatchStore
from monitor.watch import (
    Pace,
    Step,
    Watch,
    advance,
    advance_lagged,
    banks,
    beside,
    closed_before,
    compared_with,
    foremost,
    renewed,
    thresholds,
    watermark,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Budget:
    """At most this many false pages per 30 days for the whole installation; half of them the lagged reference's.

    ``page_traffic`` tells whether a drift that is laid to other questions alone pages, too.
    """

    false_alarms: float = 1.0
    lagged: bool = False
    page_traffic: bool = False

    @property
    def share(self) -> float:
        """What each of the references may spend."""
        return self.false_alarms / 2 if self.lagged else self.false_alarms


# The thresholds by segment: of the golden reference under None, of a lagged one under when it is judged from.
Alarms = Mapping[datetime | None, Mapping[Segment, float]]


@dataclass(frozen=True, slots=True)
class References:
    """What panes are compared with: the golden references, and lagged ones by when they are judged from."""

    golden: Baseline
    lagged: Sequence[Baseline] = ()

    def at(self, judged_from: datetime | None) -> Baseline | None:
        return next((found for found in self.lagged if found.judged_from == judged_from), None)

    def alarms(self, budget: Budget, pace: Pace) -> Alarms:
        """Each reference's share is shared over its own monitors."""
        found: dict[datetime | None, Mapping[Segment, float]] = {
            None: thresholds(self.golden, false_alarms=budget.share, pane=pace.pane)
        }
        for lagged in self.lagged:
            found[lagged.judged_from] = thresholds(lagged, false_alarms=budget.share, pane=pace.pane)
        return found


class Judge:
    """Judges every segment that has closed panes, one claim after the other."""

    def __init__(self, store: WatchStore, *, pace: Pace, budget: Budget, clock: Clock, emit: Emit) -> None:
        self.store, self.pace, self.budget = store, pace, budget
        self.clock, self.emit = clock, emit

    def tick(self) -> int:
        """Judges what is due; returns how many panes that was."""
        baseline = self.store.baseline()
        if baseline is None or baseline.cleared:
            return 0
        mark = watermark(self.store.partitions(), self.clock(), self.pace)
        if mark is None:
            return 0
        closed = closed_before(mark, self.pace)
        references = References(baseline, self.store.lagged(baseline) if self.budget.lagged else ())
        alarms = references.alarms(self.budget, self.pace)
        judged = 0
        for segment in self.store.ready(baseline, closed):
            with self.store.claim(baseline, segment, closed) as claim:
                if claim is not None:
                    judged += self.judge(claim, references, alarms)
        return judged

    def judge(self, claim: Claim, references: References, alarms: Alarms) -> int:
        """Folds a claim's panes in order, and records what comes of them."""
        watch, baseline = claim.watch, references.golden
        alarm_at = alarms[None].get(watch.segment, float("inf"))
        labels = labels_of(watch.segment)
        alert = self.store.alert(labels)
        parent = None if watch.segment.is_all else self.store.alert(labels_of(Segment()))
        tests = banks(baseline, watch.segment)
        others: dict[datetime, dict[str, Bank]] = {}
        verdicts: list[Verdict] = []
        changes: list[Change] = []
        for start, total in claim.panes.items():
            watch = renewed(watch, references.lagged, start)
            golden = advance(watch, baseline, tests, start, total, alarm_at)
            lagged, second = references.at(watch.lagged_from), None
            if lagged is not None:
                if lagged.judged_from not in others:
                    others[lagged.judged_from] = banks(lagged, watch.segment)
                own, level = others[lagged.judged_from], alarms[lagged.judged_from][watch.segment]
                second = advance_lagged(watch, lagged, own, start, total, level)
            step, aside = foremost(golden, second)
            against = compared_with(baseline, lagged, step.verdicts)
            told = self.with_shares(step, against, alert)
            watch = beside(golden.watch, second.watch if second else None, [*told, *aside])
            watch = replace(watch, judged_until=start + self.pace.pane)
            verdicts += [*told, *aside]
            change = transition(told, alert, parent=parent, at=self.clock(), new_id=new_id)
            if change is None:
                change = reviewed(told, alert, pane=self.pace.pane, at=self.clock())
            if change is not None:
                change = self.with_cause(change, told, step, against)
                changes.append(change)
                alert = change.alert if change.alert.open else None
        changes = merged(changes)
        self.store.record(claim, watch, verdicts, changes)
        self.tell(claim, verdicts, changes)
        return len(claim.panes)

    def with_shares(self, step: Step, baseline: Baseline, alert: Alert | None) -> Sequence[Verdict]:
        """The verdicts of a step; a signal that has just begun to drift gets the shares of the sub-segments."""
        known = alert.signals if alert is not None else ()
        fresh = [verdict for verdict in step.verdicts if verdict.drifted and verdict.signal not in known]
        if not fresh:
            return step.verdicts
        since = min(verdict.onset or verdict.pane for verdict in fresh)
        parts = self.store.parts(baseline, since, fresh[0].pane + self.pace.pane)
        return [
            replace(verdict, shares=shares(verdict, step, baseline, parts)) if verdict in fresh else verdict
            for verdict in step.verdicts
        ]

    def with_cause(self, change: Change, told: Sequence[Verdict], step: Step, against: Baseline) -> Change:
        """The change with why, as far as it is known, and whether people are to hear of it."""
        drifting = [verdict for verdict in told if verdict.drifted]
        if not drifting or change.alert.inhibited_by is not None:
            return change
        diagnosis = self.diagnosed(drifting, step, against)
        builds = self.told_by_canaries(change) if change.happening == "alert.firing" or not change.alert.paged else ()
        if diagnosis is None:
            return unexplained(change, told=builds)
        return explained(change, told, diagnosis, page_traffic=self.budget.page_traffic, told=builds)

    def told_by_canaries(self, change: Change) -> Collection[str]:
        """The builds that canaries told of when the drift began, and that are not over for long."""
        return builds_told(self.store.canary_alerts(change.alert.onset - SAME_CHANGE, over=change.at - SAME_CHANGE))

    def diagnosed(self, drifting: Sequence[Verdict], step: Step, baseline: Baseline) -> Diagnosis | None:
        """Why signals drift, from a bounded number of stored traces on both sides of the onset."""
        pane, segment = self.pace.pane, drifting[0].segment
        asked = windows(baseline, onset_of(drifting), drifting[0].pane + pane, pane)
        before = joined(
            self.store.sample(segment, asked.reference, REFERENCE_TRACES),
            self.store.sample(segment, asked.recent, RECENT_TRACES),
        )
        after = self.store.sample(segment, asked.new, NEW_TRACES)
        return diagnose(Case(before, after, baseline, drifting, step.directions))

    def tell(self, claim: Claim, verdicts: Sequence[Verdict], changes: Sequence[Change]) -> None:
        last = max(claim.panes)
        drifted = tuple(verdict.signal for verdict in verdicts if verdict.drifted and verdict.pane == last)
        traces = sum(total.n for total in claim.panes.values())
        self.emit(PanesJudged(str(claim.watch.segment), len(claim.panes), traces, drifted))
        for change in changes:
            alert = change.alert
            self.emit(AlertChanged(change.happening, dict(alert.labels), alert.summary, alert.onset))


def shares(verdict: Verdict, step: Step, baseline: Baseline, parts: Mapping[Segment, Sum]) -> dict[str, float]:
    """Which sub-segments carry the change of a signal: their part of the shift along its direction.

    Only sub-segments with one label more than the verdict's segment; the shares of one label add to 1.
    """
    whole = parts.get(verdict.segment)
    reference = baseline.references[verdict.segment][verdict.signal]
    if whole is None or whole.n == 0:
        return {}
    where = baseline.stack.slice(verdict.signal)
    own = set(verdict.segment.pairs)
    inside = {
        str(segment): total[where]
        for segment, total in parts.items()
        if own < set(segment.pairs) and len(segment.pairs) == len(own) + 1
    }
    direction = step.directions[verdict.signal]
    shift = contributions(direction, reference, {"": whole[where]}, whole[where])[""]
    if shift <= 0:
        return {}
    found = contributions(direction, reference, inside, whole[where])
    return {name: value / shift for name, value in sorted(found.items())}


def new_id() -> str:
    return f"alert_{uuid.uuid4().hex}"


def run_judge(
    judge: Judge, learn: Callable[[], object], *, emit: Emit, stopped: Callable[[], bool], wait: Callable[[float], None]
) -> None:
    """Learns a baseline when there is none, judges what is due, and waits; a store that is away is waited for."""
    failures = 0
    while not stopped():
        try:
            learn()
            judged = judge.tick()
            if failures:
                failures = 0
                emit(Back("store"))
            if not judged:
                wait(1.0)
        except Transient as error:
            failures += 1
            wait_s = min(0.5 * 2 ** min(failures, 5), 10.0)
            emit(Away("store", str(error), wait_s))
            wait(wait_s)


def replay(
    baseline: Baseline,
    panes: Iterable[tuple[Segment, Mapping[datetime, Sum]]],
    *,
    pace: Pace,
    budget: Budget,
) -> Iterator[Verdict]:
    """The verdicts that stored panes give from a fresh start: what another budget would have said.

    Against the golden reference alone. An hour or a day that was added up is one pane: what it says, it says at once,
    and alarms by chance are as rare.
    """
    alarm_at = thresholds(baseline, false_alarms=budget.share, pane=pace.pane)
    for segment, found in panes:
        watch, tests = Watch(segment, baseline.version), banks(baseline, segment)
        for start, total in sorted(found.items()):
            step = advance(watch, baseline, tests, start, total, alarm_at.get(segment, float("inf")))
            watch = step.watch
            yield from step.verdicts
