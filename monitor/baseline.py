"""How a baseline comes to be: learned from the first traces, or pinned by a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from detectors.reference import Kind, Reference, fit_references, fit_stack
from detectors.replay import Replay, calibrate
from detectors.stack import Stack
from monitor.errors import Permanent
from monitor.events import BaselineActivated
from monitor.model.baseline import Baseline
from monitor.model.build import build_of
from monitor.model.grid import pane_of
from monitor.model.scored import PaneSum, Scored
from monitor.model.segment import Segment, segments_of
from monitor.model.signal import KINDS, Column
from monitor.ports import BaselineStore, Clock, Emit
from monitor.watch import Pace, closed_before, watermark

# Fewer traces than this make no reference: its own error would hide any drift.
SEGMENT_MINIMUM = 200


@dataclass(frozen=True, slots=True)
class Learning:
    """How references are made: from how many traces, which segments, and the smallest shift that matters.

    ``smallest_effect`` is in standard deviations along the direction of the change; ``replay`` is how long panes
    without change are replayed to set the evidence right, None for never.
    """

    traces: int = 5000
    watched: tuple[tuple[str, ...], ...] = ((), ("build",), ("prompt_template",), ("tenant",))
    smallest_effect: float = 0.02
    seed: int = 0
    replay: Replay | None = field(default_factory=Replay)


AddUp = Callable[[Scored, Baseline], Sequence[PaneSum]]


class Learner:
    """Learns the first baseline when enough traces are in; pins one when told to."""

    def __init__(
        self,
        store: BaselineStore,
        add_up: AddUp,
        *,
        learning: Learning,
        pace: Pace,
        clock: Clock,
        emit: Emit,
        space: str,
    ) -> None:
        self.store, self.add_up, self.learning, self.pace = store, add_up, learning, pace
        self.clock, self.emit, self.space = clock, emit, space

    def learn(self) -> Baseline | None:
        """The baseline of the first traces by event time; None while there is one already or too few are in.

        After a baseline was cleared, of the first traces since.
        """
        wanted, current = self.learning.traces, self.store.baseline()
        if current is not None and not current.cleared:
            return None
        after = None if current is None else current.until
        if self.store.count(after=after) < wanted:
            return None
        mark = watermark(self.store.partitions(), self.clock(), self.pace)
        if mark is None:
            return None
        settled = closed_before(mark, self.pace)
        history = self.store.history(where={"after": after, "until": settled}, limit=wanted)
        if len(history) < wanted:
            return None
        since = "" if after is None else f" after {after:%Y-%m-%d %H:%M} UTC"
        return self.activate(history, source=f"learned: the first {wanted} traces{since}", judged_from=None)

    def pin(self, *, where: Mapping[str, Any], source: str, limit: int, judged_from: datetime | None) -> Baseline:
        """The baseline of stored traces that a person chose; judged from their end on, or from the instant given."""
        current = self.store.baseline()
        if current is not None:
            require_space(current, self.space)
        history = self.store.history(where=where, limit=limit)
        if len(history) < SEGMENT_MINIMUM:
            raise Permanent(f"reference: expected at least {SEGMENT_MINIMUM} traces, found {len(history)} for {source}")
        changed = self.store.space_since(self.space)
        if changed is not None and history.traces[0].trace.time <= changed:
            raise Permanent(
                f"reference: the traces up to {changed.isoformat()} carry embeddings of another model than"
                f" {self.space}: choose later ones with --since"
            )
        return self.activate(history, source=source, judged_from=judged_from)

    def clear(self) -> Baseline:
        """Ends the baseline in force: nothing is judged until another is learned from the traces that come from now on.

        Those may carry embeddings of another model than the ones before.
        """
        times = [state.event_time for state in self.store.partitions() if state.event_time is not None]
        newest = max(times, default=self.clock())
        empty = Baseline(0, self.space, Stack({}), {}, "cleared", 0, newest, newest, newest)
        active = self.store.activate(empty, self.add_up)
        self.emit(BaselineActivated(active.version, active.source, 0, 0))
        return active

    def activate(self, history: Scored, *, source: str, judged_from: datetime | None) -> Baseline:
        since, until = history.traces[0].trace.time, history.traces[-1].trace.time
        stack, references, shaped = fitted(history, self.learning, self.pace.pane)
        builds = tuple(sorted({build_of(item.trace) for item in history.traces}))
        baseline = Baseline(
            version=0,
            space=self.space,
            stack=stack,
            references=references,
            source=source,
            traces=len(history),
            since=since,
            until=until,
            judged_from=judged_from or until,
            shaped=shaped,
            builds=builds,
        )
        active = self.store.activate(baseline, self.add_up)
        self.emit(BaselineActivated(active.version, source, len(history), len(references)))
        return active


def require_space(baseline: Baseline, space: str) -> None:
    """Raises Permanent where the baseline was made of other embeddings than those of ``space``: they do not compare."""
    if baseline.space != space:
        raise Permanent(
            f"baseline {baseline.version} was made of embeddings of {baseline.space}, but the settings ask for those of"
            f" {space}: set DRIFTWARDEN_EMBEDDING__… back, or end the baseline with `driftwarden reference clear`,"
            " and another is learned from the traces that come then"
        )


def fitted(
    history: Scored, learning: Learning, pane: timedelta
) -> tuple[Stack, dict[Segment, dict[str, Reference]], tuple[datetime, ...]]:
    """The feature maps on all traffic, a reference for each segment with enough of it, and which panes shaped the maps.

    A segment's reference is centred on the other panes.
    """
    kinds: dict[str, Kind] = {name: kind for name, kind in KINDS.items() if informative(history.columns.get(name))}
    starts = [pane_of(item.trace.time, pane) for item in history.traces]
    panes = np.unique(np.array([start.timestamp() for start in starts]), return_inverse=True)[1].astype(np.int64)
    columns = {name: history.columns[name] for name in kinds}
    stack, centring = fit_stack(columns, kinds, seed=learning.seed, panes=panes)
    features = stack.apply(columns)
    slices = stack.slices()
    every = np.arange(len(starts))
    inside_maps = {row for rows in centring.values() for row in np.setdiff1d(every, rows).tolist()}
    shaped = tuple(sorted({starts[row] for row in inside_maps}))
    references: dict[Segment, dict[str, Reference]] = {}
    for segment, places in members(history, learning.watched).items():
        inside = {name: np.intersect1d(rows, places) for name, rows in centring.items()}
        # Maps take about a third of the traces; how many of a segment's is chance.
        centred = min(len(rows) for rows in inside.values())
        if segment.is_all or (len(places) >= SEGMENT_MINIMUM and centred >= SEGMENT_MINIMUM // 4):
            references[segment] = fit_references(
                stack, features, inside, panes=panes, smallest_effect=learning.smallest_effect
            )
    if learning.replay is None or Segment() not in references:
        return stack, references, shaped
    whole = calibrate(
        references[Segment()],
        stack,
        {name: features[rows, slices[name]] for name, rows in centring.items()},
        pane=max(round(len(panes) / (panes.max() + 1)), 1),
        random=np.random.default_rng(learning.seed),
        panes={name: panes[rows] for name, rows in centring.items()},
        replay=learning.replay,
    )
    # A segment knows less than all traffic does, which makes its evidence smaller: what is right there is safe here.
    calibrated = {
        segment: {name: as_calibrated(found, whole[name]) for name, found in own.items()}
        for segment, own in references.items()
    }
    return stack, calibrated, shaped


def as_calibrated(reference: Reference, whole: Reference) -> Reference:
    """The reference with the offset and slope of another one of the same signal."""
    return replace(reference, offset=whole.offset, slope=whole.slope, achieved=whole.achieved)


def members(history: Scored, watched: Sequence[Sequence[str]]) -> dict[Segment, list[int]]:
    """The places of each segment's traces."""
    found: dict[Segment, list[int]] = {}
    for place, item in enumerate(history.traces):
        for segment in segments_of(item.trace, watched):
            found.setdefault(segment, []).append(place)
    return found


def informative(column: Column | None) -> bool:
    """True for a column with at least one value: a signal the reference never had can't be watched."""
    if column is None:
        return False
    if isinstance(column, np.ndarray):
        return bool(np.isfinite(column).any())
    return any(label is not None for label in column)
