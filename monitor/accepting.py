"""What a drift moved to becomes what is compared with, for the segments and signals that a person accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from detectors.reference import Reference
from monitor.alerting import accepted
from monitor.errors import Permanent
from monitor.events import AlertChanged, BaselineActivated
from monitor.fitting import SEGMENT_MINIMUM, Learning, as_calibrated, members, refitted, require_space
from monitor.model.alert import Alert, Change
from monitor.model.baseline import Baseline
from monitor.model.build import build_of
from monitor.model.scored import Scored
from monitor.model.segment import Segment
from monitor.ports import BaselineStore, Clock, Emit
from monitor.watch import Pace


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be accepted: these signals (all of them where none is named) of a segment and of the segments in it.

    It is learned from the newest ``last`` traces, of those ``since`` an instant if one is given.
    """

    segment: Segment
    signals: Sequence[str]
    last: int
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The baseline in force, what of it is new, the segments too small for a reference, and the alerts that changed."""

    baseline: Baseline
    anew: Mapping[Segment, Sequence[str]]
    too_small: Mapping[Segment, int]
    changes: Sequence[Change]


class Accepter:
    """Puts a baseline in force in which alone the references that were accepted are new; all else goes on."""

    def __init__(
        self, store: BaselineStore, *, learning: Learning, pace: Pace, clock: Clock, emit: Emit, space: str
    ) -> None:
        self.store, self.learning, self.pace = store, learning, pace
        self.clock, self.emit, self.space = clock, emit, space

    def accept(self, wish: Wish) -> Accepted:
        current = self.current()
        signals = chosen(current, wish)
        history = self.history(wish)
        places = members(history, self.learning.watched)
        found = len(places.get(wish.segment, ()))
        if found < SEGMENT_MINIMUM:
            since = "" if wish.since is None else f" since {wish.since:%Y-%m-%d %H:%M} UTC"
            raise Permanent(
                f"reference: expected at least {SEGMENT_MINIMUM} traces of {told(wish.segment)}{since}, found {found}:"
                " accept when more have come"
            )
        anew = covered(current, wish.segment, signals)
        fresh = refitted(current, history, self.learning, pane=self.pace.pane, signals=signals)
        if not wish.segment.is_all:  # the replay was of all traffic, of which the old reference stays
            whole = current.references[Segment()]
            fresh = {
                s: {name: as_calibrated(one, whole[name]) for name, one in own.items()} for s, own in fresh.items()
            }
        named = ", ".join(signals) if wish.signals else "all signals"
        baseline = replace(
            current,
            references=renewed(current, anew, fresh),
            source=f"accepted: {named} of {told(wish.segment)}, all else as in baseline {current.version}",
            traces=len(history),
            since=history.traces[0].trace.time,
            until=history.traces[-1].trace.time,
            shaped=(),
            builds=tuple(sorted({build_of(item.trace) for item in history.traces})),
        )
        changes: list[Change] = []
        active = self.store.succeed(baseline, anew, partial(self.settle, anew, changes))
        self.emit(BaselineActivated(active.version, active.source, active.traces, len(active.references)))
        for change in changes:
            alert = change.alert
            self.emit(AlertChanged(change.happening, dict(alert.labels), alert.summary, alert.onset))
        too_small = {segment: len(places.get(segment, ())) for segment in anew if segment not in fresh}
        return Accepted(active, anew, too_small, changes)

    def current(self) -> Baseline:
        current = self.store.baseline()
        if current is None or current.cleared:
            raise Permanent("reference: there is no baseline in force that anything could be accepted over")
        require_space(current, self.space)
        return current

    def history(self, wish: Wish) -> Scored:
        newest = self.store.start_of_last(wish.last)
        instants = [instant for instant in (newest, wish.since) if instant is not None]
        return self.store.history(where={"since": max(instants, default=None)}, limit=wish.last)

    def settle(
        self, anew: Mapping[Segment, Sequence[str]], changes: list[Change], alerts: Sequence[Alert]
    ) -> Sequence[Change]:
        changes[:] = accepted(alerts, anew, at=self.clock())
        return changes


def chosen(current: Baseline, wish: Wish) -> list[str]:
    """The signals that are meant; raises Permanent where the baseline does not watch one, or not the segment."""
    references = current.references.get(wish.segment)
    if references is None:
        known = ", ".join(str(segment) for segment in sorted(current.references))
        raise Permanent(
            f"baseline {current.version} has no reference of segment {wish.segment}; it has those of: {known}"
        )
    unknown = [signal for signal in wish.signals if signal not in references]
    if unknown:
        raise Permanent(
            f"baseline {current.version} has no reference of signal {unknown[0]}; it has those of:"
            f" {', '.join(references)}"
        )
    return list(wish.signals or references)


def covered(current: Baseline, within: Segment, signals: Sequence[str]) -> dict[Segment, list[str]]:
    """The references that are to be new: of the segment, and of those that lie in it."""
    return {
        segment: [signal for signal in signals if signal in own]
        for segment, own in current.references.items()
        if set(within.pairs) <= set(segment.pairs)
    }


def renewed(
    current: Baseline, anew: Mapping[Segment, Sequence[str]], fresh: Mapping[Segment, Mapping[str, Reference]]
) -> dict[Segment, Mapping[str, Reference]]:
    """The references of a baseline with new ones where they are to be; without, where there were too few traces."""
    references: dict[Segment, Mapping[str, Reference]] = {}
    for segment, own in current.references.items():
        found = fresh.get(segment, {})
        kept = {
            name: found[name] if name in anew.get(segment, ()) else old
            for name, old in own.items()
            if name not in anew.get(segment, ()) or name in found
        }
        if kept:
            references[segment] = kept
    return references


def told(segment: Segment) -> str:
    return "all traffic" if segment.is_all else str(segment)
