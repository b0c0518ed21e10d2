"""The feedback store in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import md5

import numpy as np

from detectors.calibration import Calibration
from monitor.errors import Fenced
from monitor.model.feedback import Certificate, Fitted, Labelled, Opinion
from monitor.model.record import Partition, Progress, Reject, StoredReject
from monitor.testing.database import MemoryDatabase


class MemoryFeedbackStore:
    """Implements the port FeedbackStore."""

    def __init__(self, database: MemoryDatabase) -> None:
        self.database = database

    def positions(self, partitions: Mapping[Partition, int]) -> Mapping[Partition, int]:
        with self.database.lock:
            return {place: self.database.feedback_offsets.setdefault(place, at) for place, at in partitions.items()}

    def add(
        self,
        opinions: Sequence[Opinion],
        received_at: datetime,
        *,
        rejects: Sequence[Reject] = (),
        progress: Sequence[Progress] = (),
    ) -> int:
        database = self.database
        with database.lock:
            for step in progress:
                if database.feedback_offsets.get(step.partition) != step.first:
                    place = f"{step.partition.topic}/{step.partition.number}"
                    raise Fenced(f"{place}: read from {step.first}, but the stored offset is another")
            database.feedback_offsets.update({step.partition: step.next for step in progress})
            for reject in rejects:
                database.rejects.append(StoredReject(len(database.rejects) + 1, reject))
            return database.add_opinions(opinions, received_at)

    def labelled(self, *, since: datetime | None, until: datetime | None) -> Labelled:
        said = {
            (opinion.tenant, opinion.id): opinion.bad
            for _, opinion in sorted(self.database.opinions.values(), key=lambda kept: (kept[1].at, kept[0]))
            if opinion.bad is not None
        }
        rows: dict[tuple[str, str], Mapping[str, float]] = {}
        for (tenant, name, time), kept in sorted(self.database.traces.items(), key=lambda pair: pair[0][2]):
            inside = (since is None or time >= since) and (until is None or time < until)
            values = {score: found[0].value for score, found in kept.scores.items() if found[0].value is not None}
            if inside and (tenant, name) in said and values:
                rows[tenant, name] = {**rows.get((tenant, name), {}), **values}
        keys = sorted(rows, key=lambda key: (md5(key[1].encode(), usedforsecurity=False).hexdigest(), *key))
        names = sorted({score for row in rows.values() for score in row})
        columns = {name: np.array([rows[key].get(name, np.nan) for key in keys], float) for name in names}
        return Labelled(columns, np.array([said[key] for key in keys], bool))

    def calibrated(self, found: Fitted, at: datetime) -> None:
        self.database.calibrations[found.score] = found.calibration

    def calibrations(self) -> Mapping[str, Calibration]:
        return dict(self.database.calibrations)

    def certified(self, found: Certificate, at: datetime) -> int:
        self.database.certificates.append(found)
        return len(self.database.certificates)
