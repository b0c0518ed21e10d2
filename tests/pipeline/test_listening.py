"""Feedback from a log in memory, into memory and into Postgres."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from monitor.errors import Transient
from monitor.events import Away, Back, Event, FeedbackStored, OffsetsLost
from monitor.model.feedback import Opinion
from monitor.pipeline import listen
from monitor.ports import FeedbackStore
from monitor.testing.sources import MemoryLog, MemorySource
from tests.stores import FIRST, KINDS_OF_STORES, START, Stores, line, opened, unit


@pytest.fixture(params=KINDS_OF_STORES)
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    with opened(request) as found:
        store = found.traces()
        store.positions({FIRST: 0})
        store.commit(unit([line(i, START + timedelta(seconds=i)) for i in range(5)]))
        yield found


def said(number: int, value: str = "down") -> bytes:
    return json.dumps({"id": f"t{number}", "tenant": "acme", "kind": "thumb", "value": value}).encode()


def heard(log: MemoryLog, store: FeedbackStore, *, rounds: int = 6) -> list[Event]:
    """What happened in so many rounds of a reader of its own."""
    events: list[Event] = []
    left = iter(range(rounds))
    source = MemorySource(log, max_records=2)
    listen(source, store, clock=lambda: START, emit=events.append, stopped=lambda: next(left, None) is None)
    source.close()
    return events


def counts(events: Sequence[Event]) -> list[tuple[int, int, dict[str, int]]]:
    return [(e.opinions, e.repeats, dict(e.rejects)) for e in events if isinstance(e, FeedbackStored)]


def labels(stores: Stores) -> list[bool]:
    return sorted(stores.feedback().labelled(since=None, until=None).bad.tolist())


def test_feedback_is_stored_and_read_once(stores: Stores) -> None:
    log = MemoryLog("llm.feedback.v1")
    for value in (said(0), said(1, "up"), b"nonsense", said(2)):
        log.append(0, value)
    first, second = heard(log, stores.feedback()), heard(log, stores.feedback())

    assert counts(first) == [(2, 0, {}), (1, 0, {"not_json": 1})]
    assert counts(second) == []
    assert labels(stores) == [False, True, True]
    assert [kept.reject.record.offset for kept in stores.traces().waiting_rejects(9)] == [2]


def test_what_the_log_dropped_is_told_and_passed(stores: Stores) -> None:
    log = MemoryLog("llm.feedback.v1")
    log.append(0, said(0))
    heard(log, stores.feedback())
    for number in (1, 2, 3):
        log.append(0, said(number))
    log.delete_before(0, 3)
    events = heard(log, stores.feedback(), rounds=10)

    assert [event for event in events if isinstance(event, OffsetsLost)] == [OffsetsLost("llm.feedback.v1/0", 1, 3)]
    assert labels(stores) == [True, True]


class AwayOnce:
    """A store whose first commit does not arrive."""

    def __init__(self, store: FeedbackStore) -> None:
        self.store, self.failed = store, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def add(self, opinions: Sequence[Opinion], received_at: Any, **others: Any) -> int:
        if not self.failed:
            self.failed = True
            raise Transient("the database is away")
        return self.store.add(opinions, received_at, **others)


def test_an_outage_loses_and_repeats_nothing(stores: Stores) -> None:
    log = MemoryLog("llm.feedback.v1")
    log.append(0, said(0))
    events: list[Event] = []
    source, until = MemorySource(log), time.monotonic() + 20
    listen(
        source, AwayOnce(stores.feedback()), clock=lambda: START, emit=events.append,
        stopped=lambda: any(isinstance(event, Back) for event in events) or time.monotonic() > until,
    )  # fmt: skip

    assert [type(event) for event in events if isinstance(event, Away | Back)] == [Away, Back]
    assert (counts(events), labels(stores)) == ([(1, 0, {})], [True])
