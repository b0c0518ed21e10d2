"""How panes become verdicts: pure, so that replaying the same panes gives the same verdicts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import log

import numpy as np

from detectors.base import Array, Sum
from detectors.budget import threshold, weights
from detectors.effect import effect
from detectors.sequential import Bank, Memory, bank, start
from detectors.sequential import advance as advance_memory
from monitor.model.baseline import Baseline
from monitor.model.grid import pane_of
from monitor.model.record import PartitionState
from monitor.model.segment import Segment
from monitor.model.verdict import Verdict

# Onsets further back than this many panes are told as the oldest of them.
RECENT_PANES = 1024


@dataclass(frozen=True, slots=True)
class Pace:
    """How panes are cut and closed.

    ``lateness`` is how long a pane waits for stragglers of event time; a partition without new records for
    ``idle_after`` no longer holds panes open, and neither does one that nobody has read for ``stalled_after``.
    """

    pane: timedelta = timedelta(seconds=60)
    lateness: timedelta = timedelta(seconds=30)
    idle_after: timedelta = timedelta(seconds=30)
    stalled_after: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Watch:
    """The state of one segment's tests; ``recent`` holds the starts of the last panes.

    ``lagged`` are the memories of the tests against the lagged reference that is judged from ``lagged_from`` on.
    While an alarm is ``building`` or lasts, that reference is kept.
    """

    segment: Segment
    baseline: int
    judged_until: datetime | None = None
    memories: Mapping[str, Memory] = field(default_factory=dict)
    recent: tuple[datetime, ...] = ()
    lagged: Mapping[str, Memory] = field(default_factory=dict)
    lagged_from: datetime | None = None
    building: bool = False


def afresh(watch: Watch, version: int, signals: Collection[str]) -> Watch:
    """The watch under the next version of its baseline, in which these signals have seen nothing yet."""
    kept = {signal: memory for signal, memory in watch.memories.items() if signal not in signals}
    return Watch(watch.segment, version, watch.judged_until, kept, watch.recent)


def renewed(watch: Watch, lagged: Sequence[Baseline], pane: datetime) -> Watch:
    """The watch with the newest lagged reference there is for a pane; with the one it has while an alarm builds.

    A reference that moved on meanwhile would take in the very drift. Tests against a new one have seen nothing yet.
    """
    known = [found.judged_from for found in lagged if found.judged_from <= pane and watch.segment in found.references]
    newest = max(known, default=None)
    if newest is None or newest == watch.lagged_from or (watch.building and watch.lagged_from is not None):
        return watch
    return replace(watch, lagged={}, lagged_from=newest)


def building(verdicts: Sequence[Verdict]) -> bool:
    """True where a signal drifts, or its evidence is half-way to an alarm."""
    return any(verdict.drifted or verdict.log_e >= verdict.log_threshold / 2 for verdict in verdicts)


def beside(watch: Watch, lagged: Watch | None, verdicts: Sequence[Verdict]) -> Watch:
    """The watch after a pane, with the tests against the lagged reference after it."""
    memories = watch.lagged if lagged is None else lagged.memories
    return replace(watch, lagged=memories, building=building(verdicts))


@dataclass(frozen=True, slots=True)
class Step:
    """A watch after one pane, what it says, and the direction of each signal's change (in its features)."""

    watch: Watch
    verdicts: Sequence[Verdict]
    directions: Mapping[str, Array]


def watermark(partitions: Sequence[PartitionState], now: datetime, pace: Pace) -> datetime | None:
    """The event time up to which all traces are in, as far as can be known; None before the first trace.

    The minimum over partitions that still have something to say. When none has, all that came is complete: the newest
    time plus what a pane waits for. A partition whose consumer died holds it back until another one takes over.
    """
    times = [state.event_time for state in partitions if state.event_time is not None]
    if not times:
        return None
    resumed = max(state.resumed_at for state in partitions)
    speaking = [state for state in partitions if not silent(state, resumed, now, pace)]
    if not speaking:
        return max(times) + pace.pane + pace.lateness
    heard = [state.event_time for state in speaking if state.event_time is not None]
    return min(heard) if len(heard) == len(speaking) else None


def silent(state: PartitionState, resumed: datetime, now: datetime, pace: Pace) -> bool:
    """True for a partition read to its end and quiet since, and for one that nobody reads any more.

    When others have just resumed, it is given the time to follow: a burst reaches no two partitions at one instant.
    """
    if now - state.seen_at > pace.stalled_after:
        return True
    read_to_end = state.next >= state.end
    quiet = now - state.data_at > pace.idle_after
    return read_to_end and quiet and state.seen_at - resumed > pace.idle_after


def closed_before(mark: datetime, pace: Pace) -> datetime:
    """Panes that start before this are closed: their end and the lateness have passed."""
    return pane_of(mark - pace.lateness, pace.pane)


def thresholds(baseline: Baseline, *, false_alarms: float, pane: timedelta) -> dict[Segment, float]:
    """What each monitor of a segment alarms at, for ``false_alarms`` per 30 days over all monitors."""
    counts = {str(segment): len(references) for segment, references in baseline.references.items() if references}
    shares = weights(counts, all_traffic=str(Segment()))
    period = timedelta(days=30) / pane
    return {
        Segment.parse(segment): threshold(false_alarms=false_alarms, period_panes=period, weight=weight)
        for segment, weight in shares.items()
    }


def banks(baseline: Baseline, segment: Segment) -> dict[str, Bank]:
    """The references of a segment as the test wants them, by signal: made once for many panes."""
    return {
        signal: bank(baseline.stack.maps[signal], [reference])
        for signal, reference in baseline.references.get(segment, {}).items()
    }


def advance(
    watch: Watch, baseline: Baseline, tests: Mapping[str, Bank], pane: datetime, total: Sum, alarm_at: float
) -> Step:
    """Folds one pane into a watch; the pane's sum is over the whole stacked feature map."""
    recent = (*watch.recent, pane)[-RECENT_PANES:]
    memories, verdicts, directions = dict(watch.memories), [], {}
    slices = baseline.stack.slices()
    count, thresholds = np.array([total.n]), np.array([alarm_at])
    for signal, test in tests.items():
        part, reference = total[slices[signal]], baseline.references[watch.segment][signal]
        before = memories[signal] if signal in memories else start(test)
        totals = part.total[None, : reference.tested]
        memories[signal], evidence = advance_memory(test, before, totals, count, thresholds=thresholds)
        steps = min(int(evidence.onset_steps[0]), len(recent))
        directions[signal] = np.zeros(len(part.total))
        directions[signal][: reference.tested] = test.map.turn_back(evidence.gradient[0])
        verdicts.append(
            Verdict(
                segment=watch.segment,
                signal=signal,
                baseline=watch.baseline,
                pane=pane,
                n=total.n,
                effect=effect(baseline.stack.maps[signal], reference, part),
                log_e=float(evidence.log_e[0]),
                log_threshold=log(alarm_at),
                drifted=bool(evidence.drifted[0]),
                onset=recent[-steps] if steps else None,
                shares={},
            )
        )
    return Step(replace(watch, memories=memories, recent=recent), verdicts, directions)


def advance_lagged(
    watch: Watch, lagged: Baseline, tests: Mapping[str, Bank], pane: datetime, total: Sum, alarm_at: float
) -> Step:
    """Folds the same pane into the tests against a lagged reference; the watch of the step is theirs alone."""
    step = advance(replace(watch, memories=watch.lagged), lagged, tests, pane, total, alarm_at)
    return replace(step, verdicts=[replace(verdict, reference="lagged") for verdict in step.verdicts])


def foremost(golden: Step, lagged: Step | None) -> tuple[Step, Sequence[Verdict]]:
    """What is told of a pane, one verdict per signal, and the verdicts beside them.

    That against the golden reference, unless the lagged one alone says drift.
    """
    if lagged is None:
        return golden, ()
    first = {verdict.signal: verdict for verdict in golden.verdicts}
    other = {verdict.signal: verdict for verdict in lagged.verdicts}
    alone = {name for name, found in other.items() if name not in first or (found.drifted and not first[name].drifted)}
    told = [verdict for name, verdict in first.items() if name not in alone] + [other[name] for name in sorted(alone)]
    kept = [verdict for name, verdict in first.items() if name in alone]
    kept += [verdict for name, verdict in other.items() if name not in alone]
    directions = {**golden.directions, **{name: lagged.directions[name] for name in alone}}
    return Step(golden.watch, told, directions), kept


def compared_with(baseline: Baseline, lagged: Baseline | None, verdicts: Sequence[Verdict]) -> Baseline:
    """The baseline with the references that the verdicts are about; of the lagged one's time where all drift is."""
    if lagged is None or all(verdict.reference == "golden" for verdict in verdicts):
        return baseline
    segment = verdicts[0].segment
    own, other = baseline.references.get(segment, {}), lagged.references[segment]
    mixed = {verdict.signal: (own if verdict.reference == "golden" else other)[verdict.signal] for verdict in verdicts}
    drifting = [verdict for verdict in verdicts if verdict.drifted]
    time = lagged if drifting and all(verdict.reference == "lagged" for verdict in drifting) else baseline
    return replace(time, references={**baseline.references, segment: mixed})
