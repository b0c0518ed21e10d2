"""How references are fitted to traces: with feature maps of their own, or on the maps of a baseline."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from detectors.base import Features, Labels
from detectors.reference import Kind, Reference, fit_references, fit_stack
from detectors.replay import Replay, calibrate
from detectors.stack import Stack
from monitor.errors import Permanent
from monitor.model.baseline import Baseline
from monitor.model.grid import pane_of
from monitor.model.scored import Scored
from monitor.model.segment import Segment, segments_of
from monitor.model.signal import KINDS, Column

References = dict[Segment, dict[str, Reference]]

# Fewer traces than this make no reference: its own error would hide any drift.
SEGMENT_MINIMUM = 200


@dataclass(frozen=True, slots=True)
class Learning:
    """How references are made: from how many traces, which segments and how many, the smallest shift that matters.

    ``smallest_effect`` is in standard deviations along the direction of the change; ``replay`` is how long panes
    without change are replayed to set the evidence right, None for never. Signals of ``unwatched`` get no reference.
    """

    traces: int = 5000
    watched: tuple[tuple[str, ...], ...] = ((), ("build",), ("prompt_template",), ("tenant",))
    smallest_effect: float = 0.02
    seed: int = 0
    replay: Replay | None = field(default_factory=Replay)
    segment_limit: int = 200
    unwatched: Collection[str] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Traces to fit to: features ``(n, size)``, the number of each one's pane ``(n,)``, and the places by segment."""

    features: Features
    panes: Labels
    members: Mapping[Segment, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Feature maps, references on them, the starts of the panes that shaped the maps, and segments over the limit."""

    stack: Stack
    references: References
    shaped: tuple[datetime, ...]
    left_out: tuple[Segment, ...]


def fitted(history: Scored, learning: Learning, pane: timedelta) -> Fitted:
    """The feature maps on all traffic, and a reference for each segment with enough of it, the largest up to the limit.

    A segment's reference is centred on the panes that did not shape the maps.
    """
    kinds: dict[str, Kind] = {
        name: kind
        for name, kind in KINDS.items()
        if name not in learning.unwatched and informative(history.columns.get(name))
    }
    starts, panes = panes_of(history, pane)
    columns = {name: history.columns[name] for name in kinds}
    stack, centring = fit_stack(columns, kinds, seed=learning.seed, panes=panes)
    every = np.arange(len(starts))
    inside_maps = {row for rows in centring.values() for row in np.setdiff1d(every, rows).tolist()}
    shaped = tuple(sorted({starts[row] for row in inside_maps}))
    kept, left_out = largest(members(history, learning.watched), learning.segment_limit)
    sample = Sample(stack.apply(columns), panes, kept)
    return Fitted(stack, references_of(sample, stack, centring, learning), shaped, left_out)


def largest(
    found: Mapping[Segment, Sequence[int]], limit: int
) -> tuple[dict[Segment, Sequence[int]], tuple[Segment, ...]]:
    """At most ``limit`` segments with enough traces, all traffic first and then by their number; and the other ones."""
    enough = [segment for segment, places in found.items() if segment.is_all or len(places) >= SEGMENT_MINIMUM]
    ranked = sorted(enough, key=lambda segment: (not segment.is_all, -len(found[segment]), segment))
    return {segment: found[segment] for segment in ranked[:limit]}, tuple(ranked[limit:])


def refitted(
    baseline: Baseline, history: Scored, learning: Learning, *, pane: timedelta, signals: Collection[str]
) -> References:
    """References of these signals on the baseline's maps, for each of its segments with enough of the traces.

    The maps must not have been shaped on any of the traces: then all of them may be centred on.
    """
    every = np.arange(len(history))
    own = {
        segment: kept for segment, kept in members(history, learning.watched).items() if segment in baseline.references
    }
    sample = Sample(baseline.stack.apply(history.columns), panes_of(history, pane)[1], own)
    return references_of(sample, baseline.stack, dict.fromkeys(signals, every), learning)


def on_its_maps(baseline: Baseline, history: Scored, learning: Learning, *, pane: timedelta) -> References:
    """References of all signals on the baseline's maps, for the largest segments with enough of the traces."""
    every = np.arange(len(history))
    kept, _ = largest(members(history, learning.watched), learning.segment_limit)
    sample = Sample(baseline.stack.apply(history.columns), panes_of(history, pane)[1], kept)
    return references_of(sample, baseline.stack, dict.fromkeys(baseline.stack.names, every), learning)


def references_of(sample: Sample, stack: Stack, centring: Mapping[str, Labels], learning: Learning) -> References:
    """A reference for each segment with enough traces, of each signal of ``centring``, with its evidence set right."""
    references: References = {}
    for segment, places in sample.members.items():
        inside = {name: np.intersect1d(rows, places) for name, rows in centring.items()}
        # Maps take about a third of the traces; how many of a segment's is chance.
        centred = min(len(rows) for rows in inside.values())
        if segment.is_all or (len(places) >= SEGMENT_MINIMUM and centred >= SEGMENT_MINIMUM // 4):
            references[segment] = fit_references(
                stack, sample.features, inside, panes=sample.panes, smallest_effect=learning.smallest_effect
            )
    if learning.replay is None or Segment() not in references:
        return references
    slices = stack.slices()
    whole = calibrate(
        references[Segment()],
        stack,
        {name: sample.features[rows, slices[name]] for name, rows in centring.items()},
        pane=max(round(len(sample.panes) / (sample.panes.max() + 1)), 1),
        random=np.random.default_rng(learning.seed),
        panes={name: sample.panes[rows] for name, rows in centring.items()},
        replay=learning.replay,
    )
    # A segment knows less than all traffic does, which makes its evidence smaller: what is right there is safe here.
    return {
        segment: {name: as_calibrated(found, whole[name]) for name, found in own.items()}
        for segment, own in references.items()
    }


def as_calibrated(reference: Reference, whole: Reference) -> Reference:
    """The reference with the offset and slope of another one of the same signal."""
    return replace(reference, offset=whole.offset, slope=whole.slope, achieved=whole.achieved)


def panes_of(history: Scored, pane: timedelta) -> tuple[list[datetime], Labels]:
    """The start of each trace's pane, and these numbered in order of time."""
    starts = [pane_of(item.trace.time, pane) for item in history.traces]
    numbers = np.unique(np.array([start.timestamp() for start in starts]), return_inverse=True)[1].astype(np.int64)
    return starts, numbers


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


def require_space(baseline: Baseline, space: str) -> None:
    """Raises Permanent where the baseline was made of other embeddings than those of ``space``: they do not compare."""
    if baseline.space != space:
        raise Permanent(
            f"baseline {baseline.version} was made of embeddings of {baseline.space}, but the settings ask for those of"
            f" {space}: set DRIFTWARDEN_EMBEDDING__… back, or end the baseline with `driftwarden reference clear`,"
            " and another is learned from the traces that come then"
        )
