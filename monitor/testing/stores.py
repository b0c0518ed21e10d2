"""The stores in memory: what Postgres keeps, with the same answers to the same calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce
from operator import add

from detectors.base import Sum
from monitor.errors import Fenced, Repeated, Stale, Unstorable
from monitor.model.alert import Alert, Change, fingerprint
from monitor.model.baseline import Baseline
from monitor.model.feedback import opinions_of
from monitor.model.record import Partition, PartitionState, Progress, StoredReject
from monitor.model.scored import Scored, Unit
from monitor.model.segment import Segment
from monitor.model.verdict import Verdict
from monitor.ports import Claim, Key
from monitor.testing.database import MemoryDatabase, Offset, PartKey, Place
from monitor.watch import Watch


class MemoryTraceStore:
    """Implements the port TraceStore."""

    def __init__(self, database: MemoryDatabase, *, idle_after: timedelta = timedelta(seconds=30)) -> None:
        self.database, self.idle_after = database, idle_after

    def positions(self, partitions: Mapping[Partition, int]) -> Mapping[Partition, int]:
        database = self.database
        with database.lock:
            for partition, first in partitions.items():
                if partition not in database.offsets:
                    now = database.clock()
                    state = PartitionState(partition, first, 0, None, now, now, now)
                    database.offsets[partition] = Offset(state, database.version())
            return {partition: database.offsets[partition].state.next for partition in partitions}

    def baseline(self) -> Baseline | None:
        return self.database.baseline()

    def commit(self, unit: Unit) -> None:
        """Everything that can be wrong is looked at before anything is written."""
        with self.database.lock:
            for step in unit.progress:
                self.check(step, unit.baseline)
            for item in unit.scored.traces:
                reason = self.database.refuse(item)
                if reason is not None:
                    raise Unstorable(reason)
            keys = Counter(item.trace.key for item in unit.scored.traces)
            again = next((key for key, times in keys.items() if times > 1 or key in self.database.traces), None)
            if again is not None:
                raise Repeated(f"trace {again[1]} is stored already")
            self.write(unit)

    def check(self, step: Progress, baseline: int) -> None:
        """Compare-and-set: whoever moved the offset since we read it, or changed the baseline, stops us here."""
        found = self.database.offsets.get(step.partition)
        if found is None or found.state.next != step.first:
            stands = "unknown" if found is None else str(found.state.next)
            where = f"{step.partition.topic}/{step.partition.number}"
            raise Fenced(f"{where}: read from {step.first}, but the stored offset is {stands}")
        if found.baseline != baseline:
            raise Stale(f"baseline {baseline} was replaced by {found.baseline}")

    def write(self, unit: Unit) -> None:
        database, now = self.database, unit.received_at
        for step in unit.progress:
            offset = database.offsets[step.partition]
            times = [each.trace.time for each in unit.scored.traces if each.record.partition == step.partition]
            known = [] if offset.state.event_time is None else [offset.state.event_time]
            resumed = offset.state.data_at < now - self.idle_after
            offset.state = PartitionState(
                step.partition,
                step.next,
                max(offset.state.end, step.end),
                max([*known, *times], default=None),
                now,
                now if resumed else offset.state.resumed_at,
                now,
            )
            offset.traces += len(times)
            offset.repeats += unit.repeats.get(step.partition, 0)
            offset.rejects += sum(reject.record.partition == step.partition for reject in unit.rejects)
        for place, item in enumerate(unit.scored.traces):
            database.traces[item.trace.key] = unit.scored.at([place])
        database.add_opinions(opinions_of(item.trace for item in unit.scored.traces), now)
        for reject in unit.rejects:
            database.rejects.append(StoredReject(len(database.rejects) + 1, reject))
        if unit.sums:
            step = unit.progress[0]
            key = (step.partition.topic, step.partition.number, step.first)
            database.add_sums(unit.baseline, list(unit.sums), key)

    def known(self, keys: Sequence[Key]) -> set[Key]:
        with self.database.lock:
            return {key for key in keys if key in self.database.traces}

    def unstorable(self, scored: Scored, received_at: datetime) -> Mapping[int, str]:
        reasons = {place: self.database.refuse(item) for place, item in enumerate(scored.traces)}
        return {place: reason for place, reason in reasons.items() if reason is not None}

    def skip_gap(self, partition: Partition, expected: int, earliest: int, at: datetime) -> None:
        with self.database.lock:
            offset = self.database.offsets.get(partition)
            if offset is not None and offset.state.next == expected:
                end = earliest if earliest < expected else offset.state.end
                offset.state = replace(offset.state, next=earliest, end=end)
                self.database.gaps.append((partition, expected, earliest, at))

    def seen(self, progress: Sequence[Progress], at: datetime) -> None:
        with self.database.lock:
            for step in progress:
                offset = self.database.offsets.get(step.partition)
                if offset is not None and offset.state.next == step.next:
                    seen_at, end = max(offset.state.seen_at, at), max(offset.state.end, step.end)
                    offset.state = replace(offset.state, seen_at=seen_at, end=end)

    def waiting_rejects(self, limit: int) -> Sequence[StoredReject]:
        with self.database.lock:
            return [each for each in self.database.rejects if each.id not in self.database.forwarded][:limit]

    def forwarded(self, ids: Sequence[int], at: datetime) -> None:
        with self.database.lock:
            self.database.forwarded.update(dict.fromkeys(ids, at))


class MemoryWatchStore:
    """Implements the port WatchStore; ``endpoints`` names the receivers that every message is for."""

    def __init__(self, database: MemoryDatabase, *, endpoints: Sequence[str] = ()) -> None:
        self.database, self.endpoints = database, tuple(endpoints)
        self.writes: list[Callable[[], None]] = []
        self.taken: Mapping[datetime, Sequence[PartKey]] = {}

    def partitions(self) -> Sequence[PartitionState]:
        with self.database.lock:
            return self.database.partitions()

    def baseline(self) -> Baseline | None:
        return self.database.baseline()

    def ready(self, baseline: Baseline, closed: datetime) -> Sequence[Segment]:
        with self.database.lock:
            return sorted(
                segment
                for (version, segment), panes in self.database.sums.items()
                if version == baseline.version and any(start < closed for start in panes)
            )

    @contextmanager
    def claim(self, baseline: Baseline, segment: Segment, closed: datetime) -> Iterator[Claim | None]:
        """What is written within the block is seen after it, and not at all where it ends in an error."""
        database, place = self.database, (baseline.version, segment)
        with database.lock:
            held = place in database.claimed
            database.claimed.add(place)
        if held:
            yield None
            return
        try:
            with database.lock:
                claim = self.claimed(baseline, segment, closed)
            yield claim
            with database.lock:
                for write in self.writes:
                    write()
        finally:
            self.writes = []
            with database.lock:
                database.claimed.discard(place)

    def claimed(self, baseline: Baseline, segment: Segment, closed: datetime) -> Claim | None:
        database, place = self.database, (baseline.version, segment)
        watch = database.watches.setdefault(place, Watch(segment, baseline.version))
        due = {start: dict(rows) for start, rows in sorted(database.sums.get(place, {}).items()) if start < closed}
        totals = {start: reduce(add, [rows[key] for key in sorted(rows)]) for start, rows in due.items()}
        late = {start for start in due if watch.judged_until and start < watch.judged_until}
        fresh = {start: total for start, total in totals.items() if start not in late}
        self.taken = {start: list(due[start]) for start in fresh}
        if late:
            self.writes.append(lambda: self.set_late_aside(place, {start: due[start] for start in late}))
        return Claim(watch, fresh) if fresh else None

    def set_late_aside(self, place: Place, late: Mapping[datetime, Mapping[PartKey, Sum]]) -> None:
        """Traces of panes that were judged already are stored and counted, but change no verdict."""
        count = sum(part.n for rows in late.values() for part in rows.values())
        self.database.late[place] = self.database.late.get(place, 0.0) + count
        self.database.remove(place, {start: list(rows) for start, rows in late.items()})

    def parts(self, baseline: Baseline, since: datetime, until: datetime) -> Mapping[Segment, Sum]:
        found: dict[Segment, list[Sum]] = {}
        with self.database.lock:
            for (version, segment), judged in self.database.panes.items():
                if version == baseline.version:
                    inside = [total for start, total in judged.items() if since <= start < until]
                    found.setdefault(segment, []).extend(inside)
            for (version, segment), waiting in self.database.sums.items():
                if version == baseline.version:
                    inside = [
                        part for start, rows in waiting.items() if since <= start < until for part in rows.values()
                    ]
                    found.setdefault(segment, []).extend(inside)
        return {segment: reduce(add, totals) for segment, totals in found.items() if totals}

    def sample(self, segment: Segment, spans: Sequence[tuple[datetime, datetime]], limit: int) -> Scored:
        with self.database.lock:
            return self.database.sample(segment, spans, limit)

    def alert(self, labels: Mapping[str, str]) -> Alert | None:
        asked = fingerprint(labels)
        with self.database.lock:
            alerts = self.database.alerts.values()
            return next((alert for alert in alerts if alert.open and alert.fingerprint == asked), None)

    def canary_alerts(self, since: datetime, *, over: datetime) -> Sequence[Alert]:
        with self.database.lock:
            told = [each for each in self.database.alerts.values() if each.labels["kind"] == "canary" and each.paged]
        return [
            alert for alert in told
            if alert.fired_at >= since
            and (alert.resolved_at is None or alert.resolved_at >= over or alert.resolution == "accepted")
        ]  # fmt: skip

    def lagged(self, baseline: Baseline) -> Sequence[Baseline]:
        with self.database.lock:
            return [
                found for (version, _), found in sorted(self.database.lagged.items()) if version == baseline.version
            ]

    def add_lagged(self, lagged: Baseline) -> None:
        database, place = self.database, (lagged.version, lagged.judged_from)
        with database.lock:
            used = {(watch.baseline, watch.lagged_from) for watch in database.watches.values()}
            database.lagged.setdefault(place, lagged)
            newest = max(key for key in database.lagged if key[0] == lagged.version)
            database.lagged = {key: kept for key, kept in database.lagged.items() if key == newest or key in used}

    def judged(self, baseline: Baseline) -> Iterator[tuple[Segment, Mapping[datetime, Sum]]]:
        for (version, segment), found in sorted(self.database.panes.items()):
            if version == baseline.version:
                yield segment, dict(sorted(found.items()))

    def roll_up(self, now: datetime) -> int:
        with self.database.lock:
            return self.database.roll_up(now)

    def record(self, claim: Claim, watch: Watch, verdicts: Sequence[Verdict], changes: Sequence[Change]) -> None:
        self.writes.append(lambda: self.write(claim, watch, verdicts, changes))

    def write(self, claim: Claim, watch: Watch, verdicts: Sequence[Verdict], changes: Sequence[Change]) -> None:
        database, place = self.database, (watch.baseline, watch.segment)
        database.panes.setdefault(place, {}).update(claim.panes)
        database.remove(place, self.taken)
        database.watches[place] = watch
        database.verdicts.extend(verdicts)
        for change in changes:
            database.write_change(change, self.endpoints)
