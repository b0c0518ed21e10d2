"""Traces to the broker, by a thread of their own: whoever answers requests never waits for it."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from monitor.errors import DriftwardenError, Permanent, Transient
from monitor.events import Away, Back
from monitor.ports import Emit, Seconds, Sink
from monitor.worker.outgoing import Channel, Outgoing
from monitor.worker.spool import Spool

T = TypeVar("T")

BATCH = 256
LONGEST_WAIT_S = 30.0
IDLE_S = 5.0


class Publisher(Generic[T]):
    """A bounded queue and the thread that empties it.

    ``put`` never waits and never fails: over ``most`` the oldest goes, and is counted. While the broker is away records
    wait in the queue, or on disk where there is a spool, and go out when it is back.

    Args:
        sinks: where the channels lead.
        encode: makes a record of what was put; called by the thread.
        most: things in the queue.
        spool: where records go while the broker is away.
        gather_s: records wait so long for others to go with them, or until a batch is there: a request costs 1.5 ms of
            CPU in kafka-python, however few records are in it.
    """

    def __init__(
        self,
        sinks: Mapping[Channel, Sink],
        encode: Callable[[T], Outgoing],
        *,
        most: int,
        spool: Spool | None,
        timer: Seconds,
        emit: Emit,
        gather_s: float = 2.0,
    ) -> None:
        self.sinks, self.encode, self.spool, self.timer, self.emit = sinks, encode, spool, timer, emit
        self.gather_s = gather_s
        self.waiting: deque[T] = deque(maxlen=most)
        self.lock = threading.Lock()
        self.there = threading.Event()
        self.enough = threading.Event()
        self.stopping = threading.Event()
        self.fates: Counter[str] = Counter()
        self.held: list[Outgoing] = []
        self.away_until = 0.0
        self.wait_s = 0.0
        self.replaying = spool is not None

    def put(self, item: T) -> None:
        """Queue it, and drop the oldest where the queue is full."""
        with self.lock:
            self.fates["taken"] += 1
            self.fates["dropped"] += len(self.waiting) == self.waiting.maxlen
            self.waiting.append(item)
            enough = len(self.waiting) >= BATCH
        if not self.there.is_set():
            self.there.set()
        if enough and not self.enough.is_set():
            self.enough.set()

    def run(self) -> None:
        """Send until ``stop``; then what is left gets one more attempt."""
        self.turn()
        while not self.stopping.is_set():
            self.there.wait(IDLE_S)
            (self.stopping if self.timer() < self.away_until else self.enough).wait(self.gather_s)
            self.turn()
        self.away_until = 0.0
        self.turn()
        self.keep(self.take(len(self.waiting)))
        with self.lock:
            left = len(self.waiting) + len(self.held)
            self.waiting.clear()
        self.told(left, "dropped")
        for sink in self.sinks.values():
            sink.close()

    def stop(self) -> None:
        for event in (self.stopping, self.there, self.enough):
            event.set()

    def turn(self) -> None:
        """Send what there is, what is on disk first; while the broker is known to be away, it waits or goes to disk.

        What comes while that is sent waits for others again: alone it would cost as much as all of these.
        """
        if self.timer() < self.away_until:
            if self.spool is not None:
                self.keep(self.take())
            return
        if self.replaying and not self.replay():
            return
        left = len(self.waiting)
        while self.held or left > 0:
            if not self.held:
                self.held = self.take()
                left -= BATCH
            if not self.send(self.held):
                return
            self.held = []

    def take(self, most: int = BATCH) -> list[Outgoing]:
        """The next records of the queue, oldest first."""
        with self.lock:
            items = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
            if not self.waiting:
                self.there.clear()
            if len(self.waiting) < BATCH:
                self.enough.clear()
        made = []
        for item in items:
            try:
                made.append(self.encode(item))
            except Exception as error:  # noqa: BLE001 - one that can't be made must not stop the others
                self.emit(Away("trace", f"{type(error).__name__}: {error}"[:300], 0.0))
                self.told(1, "refused")
        return made

    def send(self, records: Sequence[Outgoing]) -> bool:
        """Send and wait for the acknowledgement; False where the broker is away."""
        try:
            self.post(records)
        except Transient as error:
            self.lost(error)
            return False
        except Permanent:
            return self.send_alone(records)
        self.told(len(records), "published")
        self.back()
        return True

    def send_alone(self, records: Sequence[Outgoing]) -> bool:
        """One of them is refused: send each by itself."""
        for record in records:
            try:
                self.post([record])
            except Transient as error:
                self.lost(error)
                return False
            except Permanent:
                self.told(1, "refused")
            else:
                self.told(1, "published")
        self.back()
        return True

    def post(self, records: Sequence[Outgoing]) -> None:
        used = {record.channel for record in records}
        for record in records:
            self.sinks[record.channel].send(record.key, record.value, record.headers)
        for channel in sorted(used):
            self.sinks[channel].flush()

    def lost(self, error: DriftwardenError) -> None:
        """The broker is away: wait before the next attempt, each time for longer."""
        self.wait_s = min(max(2 * self.wait_s, 1.0), LONGEST_WAIT_S)
        self.away_until = self.timer() + self.wait_s
        self.emit(Away("traces", str(error), self.wait_s))
        if self.spool is not None:
            self.keep(self.held)
            self.held = []

    def back(self) -> None:
        if self.wait_s:
            self.wait_s, self.away_until = 0.0, 0.0
            self.replaying = self.spool is not None
            self.emit(Back("traces"))

    def keep(self, records: Sequence[Outgoing]) -> None:
        """Put records on disk; without a spool they are dropped."""
        if self.spool is None or not records:
            self.told(len(records), "dropped")
            return
        try:
            gone = self.spool.append(records)
        except OSError as error:
            self.emit(Away("spool", str(error), 0.0))
            self.told(len(records), "dropped")
            return
        self.replaying = True
        self.told(len(records), "spooled")
        if gone:
            self.told(gone, "dropped")

    def replay(self) -> bool:
        """Send what is on disk, oldest first; False where the broker went away again."""
        while self.spool is not None and (found := self.spool.oldest()) is not None:
            path, records = found
            if records and not self.send(records):
                return False
            path.unlink(missing_ok=True)
        self.replaying = False
        return True

    def told(self, count: int, outcome: str) -> None:
        with self.lock:
            self.fates[outcome] += count
