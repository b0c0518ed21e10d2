"""A batch's contribution to the panes of its segments: sums that add."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

import numpy as np

from detectors.stack import summarise_groups
from monitor.events import SegmentsLeftOut
from monitor.model.baseline import Baseline
from monitor.model.grid import pane_of
from monitor.model.scored import PaneSum, Scored
from monitor.model.segment import Segment, label_value, segments_of
from monitor.ports import Emit


def add_up(
    scored: Scored, baseline: Baseline, *, watched: Sequence[Sequence[str]], pane: timedelta, limit: int
) -> list[PaneSum]:
    """The sums of a batch by segment and pane, from the baseline's first judged pane on.

    Of all segments with a reference, and by name of as many others as are left to the limit.
    """
    if not len(scored) or baseline.cleared:
        return []
    segments = segments_by_trace(scored, watched)
    kept = chosen({segment for found in segments for segment in found}, baseline, limit)
    return sums_of(scored, baseline, segments, kept=kept, pane=pane)


class Adder:
    """Adds up batch after batch, and never more segments without a reference than are left to the limit in all.

    Such segments raise no verdict; their sums tell who carries a drift of all traffic. The first that finds no room is
    told of, once per baseline.
    """

    def __init__(self, *, watched: Sequence[Sequence[str]], pane: timedelta, limit: int, emit: Emit) -> None:
        self.watched, self.pane, self.limit, self.emit = watched, pane, limit, emit
        self.version, self.told = 0, False
        self.admitted: frozenset[Segment] = frozenset()

    def __call__(self, scored: Scored, baseline: Baseline) -> list[PaneSum]:
        if baseline.version != self.version:
            self.version, self.told, self.admitted = baseline.version, False, frozenset()
        if not len(scored) or baseline.cleared:
            return []
        segments = segments_by_trace(scored, self.watched)
        present = {segment for found in segments for segment in found}
        kept = chosen(present, baseline, self.limit, admitted=self.admitted)
        self.admitted |= kept - baseline.references.keys()
        if len(kept) < len(present) and not self.told:
            self.told = True
            left = sorted(present - kept)
            self.emit(SegmentsLeftOut(baseline.version, str(left[0]), len(left), self.limit))
        return sums_of(scored, baseline, segments, kept=kept, pane=self.pane)


def sums_of(
    scored: Scored,
    baseline: Baseline,
    segments: Sequence[Sequence[Segment]],
    *,
    kept: AbstractSet[Segment],
    pane: timedelta,
) -> list[PaneSum]:
    """The sums by pane of those segments of each trace that are kept."""
    starts = [pane_of(item.trace.time, pane) for item in scored.traces]
    first = pane_of(baseline.judged_from, pane)
    rows: list[int] = []
    groups: list[int] = []
    numbers: dict[tuple[Segment, datetime], int] = {}
    for place, (start, found) in enumerate(zip(starts, segments, strict=True)):
        if start < first:
            continue
        for segment in found:
            if segment in kept:
                rows.append(place)
                groups.append(numbers.setdefault((segment, start), len(numbers)))
    if not rows:
        return []
    features = baseline.stack.apply(scored.columns)
    sums = summarise_groups(features, np.array(groups), len(numbers), rows=np.array(rows))
    return [PaneSum(segment, start, sums[number]) for (segment, start), number in numbers.items()]


def segments_by_trace(scored: Scored, watched: Sequence[Sequence[str]]) -> list[list[Segment]]:
    """The watched segments of each trace; traces with the same labels share one list."""
    labels = sorted({label for found in watched for label in found})
    known: dict[tuple[str | None, ...], list[Segment]] = {}
    segments = []
    for item in scored.traces:
        values = tuple(label_value(item.trace, label) for label in labels)
        if values not in known:
            known[values] = segments_of(item.trace, watched)
        segments.append(known[values])
    return segments


def chosen(
    segments: AbstractSet[Segment], baseline: Baseline, limit: int, *, admitted: AbstractSet[Segment] = frozenset()
) -> frozenset[Segment]:
    """Segments with a reference, those admitted before, and the first others by name while there is room."""
    known = segments & (baseline.references.keys() | admitted)
    room = max(limit - len(baseline.references) - len(admitted), 0)
    return frozenset(known) | frozenset(sorted(segments - known)[:room])
