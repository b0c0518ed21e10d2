"""The store of baselines in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from monitor.errors import Transient
from monitor.model.alert import Alert
from monitor.model.baseline import Baseline
from monitor.model.record import PartitionState
from monitor.model.scored import PaneSum, Scored
from monitor.model.segment import Segment
from monitor.ports import Settle
from monitor.testing.database import MemoryDatabase
from monitor.watch import afresh


class MemoryBaselineStore:
    """Implements the port BaselineStore."""

    def __init__(self, database: MemoryDatabase, *, endpoints: Sequence[str] = ()) -> None:
        self.database, self.endpoints = database, tuple(endpoints)

    def baseline(self) -> Baseline | None:
        return self.database.baseline()

    def history(self, *, where: Mapping[str, Any], limit: int) -> Scored:
        with self.database.lock:
            return self.database.history(where, limit)

    def count(self, *, after: datetime | None = None) -> int:
        with self.database.lock:
            if after is not None:
                return sum(time > after for _, _, time in self.database.traces)
            return sum(offset.traces for offset in self.database.offsets.values())

    def space_since(self, space: str) -> datetime | None:
        with self.database.lock:
            baselines = self.database.baselines
            others = [place for place, found in enumerate(baselines) if found.space != space]
            later = baselines[others[-1] + 1 :] if others else []
            return later[0].until if later else None

    def partitions(self) -> Sequence[PartitionState]:
        with self.database.lock:
            return self.database.partitions()

    def activate(self, baseline: Baseline, add_up: Callable[[Scored, Baseline], Sequence[PaneSum]]) -> Baseline:
        """Under the lock, so that no trace falls between what is added up here and by consumers."""
        database = self.database
        with database.lock:
            named = replace(baseline, version=database.version() + 1)
            later = database.history({"after": named.judged_from}, limit=len(database.traces))
            sums = add_up(later, named)
            database.add_sums(named.version, list(sums), ("backfill", 0, 0))
            database.put_in_force(named)
        return named

    def succeed(self, baseline: Baseline, anew: Mapping[Segment, Collection[str]], settle: Settle) -> Baseline:
        database, old = self.database, baseline.version
        with database.lock:
            if database.version() != old:
                raise Transient(f"baseline {old} is not in force any more")
            named = replace(baseline, version=old + 1)
            for version, segment in [place for place in database.watches if place[0] == old]:
                watch = database.watches[version, segment]
                database.watches[named.version, segment] = afresh(watch, named.version, anew.get(segment, ()))
            for version, segment in [place for place in database.sums if place[0] == old]:
                database.sums[named.version, segment] = database.sums.pop((version, segment))
            database.put_in_force(named)
            for change in settle(self.open_drifts()):
                database.write_change(change, self.endpoints)
        return named

    def open_drifts(self) -> Sequence[Alert]:
        with self.database.lock:
            alerts = self.database.alerts.values()
            return [alert for alert in alerts if alert.open and alert.labels["kind"] == "drift"]

    def start_of_last(self, traces: int) -> datetime | None:
        with self.database.lock:
            times = sorted(time for _, _, time in self.database.traces)
            return times[-traces] if len(times) > traces else None
