"""A batch's contribution to the panes of its segments: sums that add."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from detectors.stack import summarise_groups
from monitor.model.baseline import Baseline
from monitor.model.grid import pane_of
from monitor.model.scored import PaneSum, Scored
from monitor.model.segment import Segment, label_value, segments_of


def add_up(
    scored: Scored, baseline: Baseline, *, watched: Sequence[Sequence[str]], pane: timedelta, limit: int
) -> list[PaneSum]:
    """The sums of a batch by segment and pane, from the baseline's first judged pane on.

    At most ``limit`` segments: those with a reference first, then by name; the rest is in all traffic only.
    """
    if not len(scored) or baseline.cleared:
        return []
    starts = [pane_of(item.trace.time, pane) for item in scored.traces]
    first = pane_of(baseline.judged_from, pane)
    segments = segments_by_trace(scored, watched)
    kept = chosen({segment for found in segments for segment in found}, baseline, limit)
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


def chosen(segments: set[Segment], baseline: Baseline, limit: int) -> set[Segment]:
    """Segments that are watched, when there are more than the limit."""
    if len(segments) <= limit:
        return segments
    ranked = sorted(segments, key=lambda segment: (segment not in baseline.references, segment))
    return set(ranked[:limit])
