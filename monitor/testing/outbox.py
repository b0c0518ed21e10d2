"""An outbox in memory and a sender that answers as it is told."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from monitor.model.alert import Delivered, Message, Outcome, Refused


@dataclass(slots=True)
class Entry:
    """A message, when it is due (None: never again), and what came of its attempts."""

    message: Message
    due_at: datetime | None
    outcomes: list[Outcome] = field(default_factory=list)


class MemoryOutbox:
    """Messages by order of arrival; several notifiers may use it at once."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._held: set[str] = set()
        self._gone: set[str] = set()
        self._lock = threading.Lock()

    def put(self, message: Message, at: datetime) -> None:
        """Queue a message behind those of its endpoint and fingerprint."""
        with self._lock:
            self._entries[message.id] = Entry(message, at)

    def entry(self, message_id: str) -> Entry:
        return self._entries[message_id]

    @contextmanager
    def due(self, now: datetime, limit: int) -> Iterator[Sequence[Message]]:
        with self._lock:
            messages = self._fair(now)[:limit]
            ids = {message.id for message in messages}
            self._held |= ids
        try:
            yield messages
        finally:
            with self._lock:
                self._held -= ids

    def settle(self, message: Message, outcome: Outcome, at: datetime, again_at: datetime | None) -> None:
        with self._lock:
            entry = self._entries[message.id]
            entry.message = replace(entry.message, attempts=entry.message.attempts + 1)
            entry.outcomes.append(outcome)
            entry.due_at = again_at
            if isinstance(outcome, Refused) and outcome.gone:
                self._gone.add(message.endpoint)

    def _fair(self, now: datetime) -> list[Message]:
        """The head of each line where it is due and free, endpoints taking turns."""
        heads: dict[tuple[str, str], Entry] = {}
        for entry in self._entries.values():
            if entry.due_at is not None:
                heads.setdefault((entry.message.endpoint, entry.message.fingerprint), entry)
        turns: Counter[str] = Counter()
        ranked: list[tuple[int, Message]] = []
        for entry in heads.values():
            message = entry.message
            late = entry.due_at is not None and entry.due_at > now
            if late or message.id in self._held or message.endpoint in self._gone:
                continue
            ranked.append((turns[message.endpoint], message))
            turns[message.endpoint] += 1
        return [message for _, message in sorted(ranked, key=lambda pair: pair[0])]


class MemorySender:
    """Keeps what it is asked to send; ``answer`` says what comes of it (a delivery, if not given)."""

    def __init__(self, answer: Callable[[Message, datetime], Outcome] | None = None) -> None:
        self._answer = answer
        self.sent: list[tuple[Message, datetime]] = []

    def send(self, message: Message, now: datetime) -> Outcome:
        self.sent.append((message, now))
        return Delivered(200) if self._answer is None else self._answer(message, now)
