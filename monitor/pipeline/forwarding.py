"""Rejects on their way to the dead-letter topic. The table has them already, so a topic that is away stops nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor.errors import Permanent, Transient
from monitor.events import Away, Back
from monitor.ports import Clock, DeadLetters, Emit, TraceStore

PAGE = 100
AGAIN_AFTER = timedelta(seconds=30)


class Forwarding:
    """Looks into the table at the start and after every batch with rejects."""

    def __init__(self, store: TraceStore, dead_letters: DeadLetters, *, clock: Clock, emit: Emit) -> None:
        self.store, self.dead_letters = store, dead_letters
        self.clock, self.emit = clock, emit
        self.waiting = True
        self.away_until: datetime | None = None

    def note(self) -> None:
        """Rejects were stored."""
        self.waiting = True

    def run(self) -> None:
        """Sends a page of what waits, and notes that it went. Raises Transient only where the store is away."""
        if not self.waiting or (self.away_until is not None and self.clock() < self.away_until):
            return
        page = self.store.waiting_rejects(PAGE)
        if not page:
            self.waiting = False
            return
        try:
            self.dead_letters.send([stored.reject for stored in page])
        except (Transient, Permanent) as error:
            self.away_until = self.clock() + AGAIN_AFTER
            self.emit(Away("dead-letter topic", str(error), AGAIN_AFTER.total_seconds()))
            return
        self.store.forwarded([stored.id for stored in page], self.clock())
        if self.away_until is not None:
            self.away_until = None
            self.emit(Back("dead-letter topic"))
