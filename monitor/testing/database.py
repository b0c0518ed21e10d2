"""What the stores in memory share: the tables of one database, under one lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce
from hashlib import md5
from operator import add
from typing import Any

import numpy as np

from detectors.base import Sum
from detectors.calibration import Calibration
from monitor.errors import Permanent
from monitor.model.alert import Alert, Change
from monitor.model.baseline import Baseline
from monitor.model.build import build_of
from monitor.model.decoded import Decoded
from monitor.model.feedback import Certificate, Opinion
from monitor.model.grid import LEVELS, Level, pane_of
from monitor.model.record import Partition, PartitionState, Record, StoredReject
from monitor.model.scored import PaneSum, Scored
from monitor.model.segment import Segment, label_value
from monitor.model.signal import KINDS, Column
from monitor.model.trace import Trace
from monitor.model.verdict import Verdict
from monitor.ports import Clock, Key
from monitor.watch import Watch

Place = tuple[int, Segment]
# Topic, partition and first offset of the batch that a part of a pane comes from.
PartKey = tuple[str, int, int]
# Tenant, trace id, source, kind and time of what was said.
OpinionKey = tuple[str, str, str, str, datetime]


def storable(_item: Decoded) -> str | None:
    """Takes every trace."""
    return None


@dataclass(slots=True)
class Offset:
    """Where a partition stands, the baseline its sums are made with, and what came of it."""

    state: PartitionState
    baseline: int
    traces: int = 0
    repeats: int = 0
    rejects: int = 0


@dataclass(slots=True)
class MemoryDatabase:
    """The tables of a database; stores that share it see one another's commits.

    ``refuse`` says what is wrong with a trace that the database will not take, None where it will.
    """

    clock: Clock = lambda: datetime.now(UTC)
    refuse: Callable[[Decoded], str | None] = storable
    offsets: dict[Partition, Offset] = field(default_factory=dict)
    gaps: list[tuple[Partition, int, int, datetime]] = field(default_factory=list)
    traces: dict[Key, Scored] = field(default_factory=dict)
    rejects: list[StoredReject] = field(default_factory=list)
    forwarded: dict[int, datetime] = field(default_factory=dict)
    baselines: list[Baseline] = field(default_factory=list)
    lagged: dict[tuple[int, datetime], Baseline] = field(default_factory=dict)
    opinions: dict[OpinionKey, tuple[datetime, Opinion]] = field(default_factory=dict)
    feedback_offsets: dict[Partition, int] = field(default_factory=dict)
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    certificates: list[Certificate] = field(default_factory=list)
    sums: dict[Place, dict[datetime, dict[PartKey, Sum]]] = field(default_factory=dict)
    panes: dict[Place, dict[datetime, Sum]] = field(default_factory=dict)
    widths: dict[tuple[Place, datetime], timedelta] = field(default_factory=dict)
    watches: dict[Place, Watch] = field(default_factory=dict)
    late: dict[Place, float] = field(default_factory=dict)
    claimed: set[Place] = field(default_factory=set)
    verdicts: list[Verdict] = field(default_factory=list)
    alerts: dict[str, Alert] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    posted: list[tuple[Change, tuple[str, ...]]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def baseline(self) -> Baseline | None:
        """The one in force."""
        return self.baselines[-1] if self.baselines else None

    def add_opinions(self, opinions: Sequence[Opinion], received_at: datetime) -> int:
        """Keeps opinions with when they came; those kept already count as nothing new."""
        before = len(self.opinions)
        for said in opinions:
            key = (said.tenant, said.id, said.source, said.kind, said.at)
            self.opinions.setdefault(key, (received_at, said))
        return len(self.opinions) - before

    def version(self) -> int:
        return len(self.baselines)

    def put_in_force(self, baseline: Baseline) -> None:
        self.baselines.append(baseline)
        for offset in self.offsets.values():
            offset.baseline = baseline.version

    def write_change(self, change: Change, endpoints: tuple[str, ...]) -> None:
        self.alerts[change.alert.id] = change.alert
        self.changes.append(change)
        if change.notify and endpoints:
            self.posted.append((change, endpoints))

    def partitions(self) -> list[PartitionState]:
        places = sorted(self.offsets, key=lambda partition: (partition.topic, partition.number))
        return [self.offsets[partition].state for partition in places]

    def add_sums(self, version: int, sums: list[PaneSum], key: PartKey) -> None:
        for part in sums:
            self.sums.setdefault((version, part.segment), {}).setdefault(part.start, {})[key] = part.sum

    def remove(self, place: Place, taken: Mapping[datetime, Sequence[PartKey]]) -> None:
        """Deletes these parts of panes, and none that was added since."""
        for start, keys in taken.items():
            rows = self.sums[place][start]
            for key in keys:
                del rows[key]
            if not rows:
                del self.sums[place][start]

    def roll_up(self, now: datetime) -> int:
        """Adds up one cell of old panes; how many those were."""
        watches = self.watches.items()
        judged = [watch.judged_until for (version, _), watch in watches if version == self.version()]
        newest = min([now, max([time for time in judged if time is not None], default=now)])
        for level in LEVELS:
            due = [
                (start, place)
                for place, found in self.panes.items()
                for start in found
                if start < level.until(newest) and self.widths.get((place, start), timedelta(0)) == level.finer
            ]
            if due:
                start, place = min(due)
                return self.add_up(place, pane_of(start, level.width), level)
        return 0

    def add_up(self, place: Place, start: datetime, level: Level) -> int:
        found = self.panes[place]
        taken = [found.pop(pane) for pane in sorted(found) if start <= pane < start + level.width]
        found[start] = reduce(add, taken)
        self.widths[place, start] = level.width
        return len(taken)

    def sample(self, segment: Segment, spans: Sequence[tuple[datetime, datetime]], limit: int) -> Scored:
        """Stored traces of a segment with the smallest hashes, by event time."""
        found = [kept for kept in self.traces.values() if inside(kept.traces[0].trace, segment, spans)]
        hashes = {id(kept): md5(kept.traces[0].trace.id.encode(), usedforsecurity=False).hexdigest() for kept in found}
        found.sort(key=lambda kept: (hashes[id(kept)], kept.traces[0].trace.tenant, kept.traces[0].trace.time))
        found[limit:] = []
        return together(sorted(found, key=lambda kept: (kept.traces[0].trace.time, *kept.traces[0].trace.key)))

    def history(self, where: Mapping[str, Any], limit: int) -> Scored:
        """Stored traces by event time."""
        unknown = where.keys() - {"build", "since", "after", "until"}
        if unknown:
            raise Permanent(f"history: expected build, since, after and until, got {', '.join(sorted(unknown))}")
        ordered = sorted(self.traces.items(), key=lambda pair: (pair[0][2], pair[0][0], pair[0][1]))
        return together([kept for _, kept in ordered if wanted(kept.traces[0], where)][:limit])


def inside(trace: Trace, segment: Segment, spans: Sequence[tuple[datetime, datetime]]) -> bool:
    return any(start <= trace.time < stop for start, stop in spans) and all(
        label_value(trace, label) == value for label, value in segment.pairs
    )


def wanted(item: Decoded, where: Mapping[str, Any]) -> bool:
    build, since, after, until = (where.get(name) for name in ("build", "since", "after", "until"))
    time = item.trace.time
    return (
        (build is None or build_of(item.trace) == build)
        and (since is None or time >= since)
        and (after is None or time > after)
        and (until is None or time < until)
    )


def together(rows: list[Scored]) -> Scored:
    """Single stored traces as one batch, as a store gives them back: bytes and scores stay behind."""
    traces = []
    for row in rows:
        item = row.traces[0]
        record = Record(item.record.partition, item.record.offset, b"", {})
        traces.append(Decoded(record, item.trace, b"", {}))
    columns: dict[str, Column] = {}
    for name, kind in KINDS.items():
        if kind == "scalar":
            values = np.array([row.columns[name][0] if name in row.columns else np.nan for row in rows], float)
            columns[name] = np.where(np.isfinite(values), values, np.nan)
        elif kind == "category":
            columns[name] = [row.columns[name][0] if name in row.columns else None for row in rows]
    for name in ("prompt.embedding", "response.embedding"):
        found = [np.asarray(row.columns[name], np.float32) for row in rows if name in row.columns]
        if len(found) == len(rows) and any(np.isfinite(vector).any() for vector in found):
            columns[name] = np.vstack(found)
    prompts, responses = columns.get("prompt.embedding"), columns.get("response.embedding")
    if isinstance(prompts, np.ndarray) and isinstance(responses, np.ndarray):
        columns["relation"] = np.hstack([prompts, responses])
    return Scored(traces, columns, {})
