"""Notify: take messages from the outbox, send them, note the outcome.

A message is sent at least once and keeps its id, so that a receiver can tell a repeat. Endpoints are served side by
side: one that hangs holds up nobody else's messages for longer than a round.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from monitor.errors import Transient
from monitor.events import Attempted, Away, Back
from monitor.model.alert import Delivered, Message, Outcome, Refused, Retry
from monitor.ports import Clock, Emit, Outbox, Sender

DELAYS_S = (5, 15, 30, 60, 120, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""The wait after each failed attempt: the schedule of Standard Webhooks with four early attempts more (15 s to 2 min),
so that a receiver that was down for a minute has its alert within a minute of being back. The last is after 3 days."""

JITTER = 0.1
BATCH = 256
ROUND = timedelta(seconds=15)
POLL_S = 1.0
REST_S = 5.0
"""An endpoint that is away is left alone for this long, or for as long as it asks."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sending and what came of it."""

    message: Message
    outcome: Outcome
    at: datetime

    @property
    def number(self) -> int:
        """Counts from 1."""
        return self.message.attempts + 1

    @property
    def again_at(self) -> datetime | None:
        return again_at(self.number, self.outcome, self.at, spread(self.message.id, self.number))

    @property
    def away(self) -> str | None:
        """Why the endpoint as a whole seems away: no answer, or one that asks for less load."""
        match self.outcome:
            case Retry(status=status, reason=reason) if status is None or status == 429 or status >= 500:
                return reason
            case _:
                return None

    @property
    def rest_s(self) -> float:
        """How long to leave the endpoint alone."""
        match self:
            case Attempt(away=str(), outcome=Retry(after_s=asked_s)):
                return max(REST_S, asked_s or 0.0)
            case _:
                return 0.0


def again_at(attempts: int, outcome: Outcome, now: datetime, jitter: float) -> datetime | None:
    """When to try again after so many attempts, the last of them just now; None means never.

    What the receiver asks for (``after_s``) is the least wait. ``jitter``, in -1…1, moves the wait by up to ±10 %.

    >>> again_at(2, Retry("HTTP 500", 500), datetime(2025, 1, 1), jitter=-1).time().isoformat()
    '00:00:13.500000'
    """
    match outcome:
        case Delivered() | Refused():
            return None
        case Retry(after_s=asked_s):
            if attempts > len(DELAYS_S):
                return None
            wait_s = DELAYS_S[attempts - 1] * (1 + JITTER * jitter)
            least_s = (asked_s or 0.0) * (1 + JITTER * abs(jitter))
            return now + timedelta(seconds=max(wait_s, least_s))
        case _:
            assert_never(outcome)


def spread(message_id: str, attempts: int) -> float:
    """Jitter in -1…1 that differs between messages and attempts, and is the same wherever it is worked out.

    Messages that failed together shall not come back together; for that a hash does as well as a die.
    """
    digest = hashlib.sha256(f"{message_id}.{attempts}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / (2**63 - 0.5) - 1


def notify(
    outbox: Outbox,
    sender: Sender,
    *,
    clock: Clock,
    emit: Emit,
    stopped: Callable[[], bool],
    wait: Callable[[float], object],
) -> None:
    """Deliver what is due until ``stopped``; ``clock`` and ``stopped`` are called from several threads."""
    resting: dict[str, datetime] = {}
    away: set[str] = set()

    def present(what: str, reason: str | None, again_in_s: float = 0.0) -> None:
        if reason is not None and what not in away:
            away.add(what)
            emit(Away(what, reason, again_in_s))
        elif reason is None and what in away:
            away.remove(what)
            emit(Back(what))

    while not stopped():
        served = False
        try:
            for attempt in _round(outbox, sender, resting, clock=clock, stopped=stopped):
                served = True
                emit(_event(attempt))
                endpoint, rest_s = attempt.message.endpoint, attempt.rest_s
                resting[endpoint] = attempt.at + timedelta(seconds=rest_s)
                present(f"webhook {endpoint}", attempt.away, rest_s)
            present("outbox", None)
        except Transient as error:
            present("outbox", str(error), REST_S)
            wait(REST_S)
            continue
        if not served:
            wait(POLL_S)


def _round(
    outbox: Outbox, sender: Sender, resting: dict[str, datetime], *, clock: Clock, stopped: Callable[[], bool]
) -> Iterator[Attempt]:
    """The attempts of one round, each after it is noted: what is due now, endpoints in parallel."""
    began = clock()
    with outbox.due(began, BATCH) as due:
        queues: dict[str, list[Message]] = defaultdict(list)
        for message in due:
            if resting.get(message.endpoint, began) <= began:
                queues[message.endpoint].append(message)
        if not queues:
            return

        def serve(queue: Sequence[Message]) -> list[Attempt]:
            attempts: list[Attempt] = []
            for message in queue:
                at = clock()
                if stopped() or (attempts and at - began > ROUND):  # each endpoint has its one attempt a round
                    break
                attempts.append(Attempt(message, sender.send(message, at), at))
                if attempts[-1].away:  # its other messages wait for the next round
                    break
            return attempts

        with ThreadPoolExecutor(max_workers=min(len(queues), 32), thread_name_prefix="notify") as pool:
            for future in as_completed([pool.submit(serve, queue) for queue in queues.values()]):
                for attempt in future.result():
                    outbox.settle(attempt.message, attempt.outcome, attempt.at, attempt.again_at)
                    yield attempt


def _event(attempt: Attempt) -> Attempted:
    match attempt.outcome:
        case Delivered():
            name = "delivered"
        case Refused(gone=gone):
            name = "gone" if gone else "refused"
        case Retry():
            name = "dead" if attempt.again_at is None else "retry"
        case _:
            assert_never(attempt.outcome)
    return Attempted(attempt.message.endpoint, attempt.message.id, name, attempt.outcome.status, attempt.number)
