"""The lagged reference: the traffic of some days before, learned anew every day beside the golden one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from detectors.base import Sum
from monitor.events import LaggedLearned
from monitor.fitting import SEGMENT_MINIMUM, Learning, on_its_maps
from monitor.model.baseline import Baseline
from monitor.model.build import build_of
from monitor.model.grid import pane_of
from monitor.model.segment import Segment
from monitor.ports import Clock, Emit, WatchStore
from monitor.watch import Pace, closed_before, watermark

DAY = timedelta(days=1)
# How panes of one day differ is known from so many of them, whatever they hold.
FEWEST_PANES = 16

Span = tuple[datetime, datetime]


class Lagging:
    """Learns what the panes of a day are compared with: the whole day that lies ``days`` before it.

    Days are those of event time, in UTC. A day is learned from only where it came after all traces of the baseline.
    """

    def __init__(
        self, store: WatchStore, *, days: int, learning: Learning, pace: Pace, clock: Clock, emit: Emit
    ) -> None:
        self.store, self.days, self.learning, self.pace = store, days, learning, pace
        self.clock, self.emit = clock, emit
        self.tried: tuple[int, datetime] | None = None

    def tick(self) -> Baseline | None:
        """The lagged reference of the newest day, when it is due."""
        baseline = self.store.baseline()
        if not self.days or baseline is None or baseline.cleared:
            return None
        mark = watermark(self.store.partitions(), self.clock(), self.pace)
        if mark is None:
            return None
        day = pane_of(closed_before(mark, self.pace), DAY)
        if self.tried == (baseline.version, day):
            return None
        self.tried = (baseline.version, day)
        if day - self.days * DAY <= baseline.until or any(
            found.judged_from >= day for found in self.store.lagged(baseline)
        ):
            return None
        return self.learn(baseline, day)

    def learn(self, baseline: Baseline, day: datetime) -> Baseline | None:
        start = day - self.days * DAY
        wanted = self.learning.traces
        spans = whole_panes(start, self.store.parts(baseline, start, start + DAY), self.pace.pane, wanted)
        history = self.store.sample(Segment(), spans, FEWEST_PANES * wanted)
        if len(history) < SEGMENT_MINIMUM:
            return None
        lagged = replace(
            baseline,
            references=on_its_maps(baseline, history, self.learning, pane=self.pace.pane),
            source=f"lagged: the traffic of {start:%Y-%m-%d}",
            traces=len(history),
            since=history.traces[0].trace.time,
            until=history.traces[-1].trace.time,
            judged_from=day,
            shaped=(),
            builds=tuple(sorted({build_of(item.trace) for item in history.traces})),
        )
        self.store.add_lagged(lagged)
        self.emit(LaggedLearned(baseline.version, lagged.source, lagged.traces, len(lagged.references)))
        return lagged


def whole_panes(start: datetime, parts: Mapping[Segment, Sum], pane: timedelta, traces: int) -> Sequence[Span]:
    """The day, or so many of its panes, evenly spread, as hold about the traces that are wanted.

    Panes stay whole: how much they differ from one another tells how traffic hangs together.
    """
    held = parts[Segment()].n if Segment() in parts else 0.0
    count = DAY // pane
    if held <= traces or count <= FEWEST_PANES:
        return [(start, start + DAY)]
    chosen = min(max(int(traces / held * count), FEWEST_PANES), count)
    starts = [start + pane * (count * i // chosen) for i in range(chosen)]
    return [(first, first + pane) for first in starts]
