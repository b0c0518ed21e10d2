"""Rejects reach the dead-letter topic when it is there, and stop nothing when it is not."""

from __future__ import annotations

from datetime import timedelta

from monitor.events import Away, Back, Event
from monitor.pipeline.forwarding import AGAIN_AFTER, Forwarding
from monitor.testing.sources import MemoryDeadLetters
from tests.pipeline.support import ingest, pipeline
from tests.stores import FIRST, START, InMemory


def test_a_dead_letter_topic_that_is_away_is_tried_again_after_a_while_and_gets_each_reject_once() -> None:
    stores = InMemory()
    now, events = [START], list[Event]()
    letters = MemoryDeadLetters()
    letters.away = True
    stores.traces().positions({FIRST: 0})
    ingest(pipeline(stores.traces()), [b"{", b"[]"])
    forwarding = Forwarding(stores.traces(), letters, clock=lambda: now[0], emit=events.append)

    forwarding.run()
    assert events == [Away("dead-letter topic", "the dead-letter topic is away", AGAIN_AFTER.total_seconds())]
    letters.away = False
    forwarding.run()
    assert letters.published == []

    now[0] += AGAIN_AFTER + timedelta(seconds=1)
    forwarding.run()
    forwarding.run()
    assert [reject.reason for reject in letters.published] == ["not_json", "wrong_type"]
    assert events[1:] == [Back("dead-letter topic")]
