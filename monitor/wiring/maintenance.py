"""What the database needs from time to time."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from monitor.ports import WatchStore
from monitor.storage import canaries, judged, partitions
from monitor.storage.feedback import forget
from monitor.wiring.parts import clock

MAINTENANCE_S = 3600.0
ROLLING_STEPS = 50


class Maintenance:
    """Once an hour: partitions for the coming days, none older than the retention, and old panes added up.

    Panes are added up in steps, a few at every turn, so that judging never waits long.
    """

    def __init__(self, database: sa.Engine, store: WatchStore, retention_days: int) -> None:
        self.database, self.store, self.retention_days = database, store, retention_days
        self.done_at: datetime | None = None
        self.rolling = False

    def __call__(self) -> None:
        now = clock()
        if self.done_at is None or (now - self.done_at).total_seconds() > MAINTENANCE_S:
            partitions.ensure(self.database, now)
            kept_from = now - timedelta(days=self.retention_days)
            partitions.drop_before(self.database, kept_from)
            forget(self.database, kept_from)
            judged.forget(self.database, kept_from)
            canaries.forget(self.database, kept_from)
            self.done_at, self.rolling = now, True
        for _ in range(ROLLING_STEPS if self.rolling else 0):
            if not self.store.roll_up(now):
                self.rolling = False
                return
