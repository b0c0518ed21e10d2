"""How a baseline comes to be: learned from the first traces, or pinned by a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from detectors.stack import Stack
from monitor.errors import Permanent
from monitor.events import BaselineActivated, SegmentsLeftOut
from monitor.fitting import SEGMENT_MINIMUM, Learning, fitted, require_space
from monitor.model.baseline import Baseline
from monitor.model.build import build_of
from monitor.model.scored import PaneSum, Scored
from monitor.ports import BaselineStore, Clock, Emit
from monitor.watch import Pace, closed_before, watermark

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
        found = fitted(history, self.learning, self.pace.pane)
        builds = tuple(sorted({build_of(item.trace) for item in history.traces}))
        baseline = Baseline(
            version=0,
            space=self.space,
            stack=found.stack,
            references=found.references,
            source=source,
            traces=len(history),
            since=since,
            until=until,
            judged_from=judged_from or until,
            shaped=found.shaped,
            builds=builds,
            left_out=found.left_out,
        )
        active = self.store.activate(baseline, self.add_up)
        self.emit(BaselineActivated(active.version, source, len(history), len(active.references)))
        if active.left_out:
            self.emit(
                SegmentsLeftOut(
                    active.version, str(active.left_out[0]), len(active.left_out), self.learning.segment_limit
                )
            )
        return active
