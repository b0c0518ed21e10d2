"""What a broker that comes and goes does to traces, and that it does nothing to those who make them."""

import threading
from pathlib import Path

import pytest

from monitor.errors import Permanent, Transient
from monitor.events import Away, Back, Event
from monitor.testing.sources import MemorySink
from monitor.worker import Outgoing, Publisher, Spool
from monitor.worker.publishing import BATCH


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Site:
    def __init__(self, *, most: int = 100, spool: Spool | None = None) -> None:
        self.sink, self.feedback = MemorySink(), MemorySink()
        self.clock, self.events = Clock(), list[Event]()
        self.publisher: Publisher[int] = Publisher(
            {"traces": self.sink, "feedback": self.feedback}, self.encode, most=most, spool=spool, timer=self.clock,
            emit=self.events.append,
        )  # fmt: skip

    def encode(self, item: int) -> Outgoing:
        if item < 0:
            raise ValueError("no trace")
        return Outgoing("feedback" if item >= 1000 else "traces", str(item).encode(), b"{}", {"a": b"b"})

    def put(self, *items: int) -> None:
        for item in items:
            self.publisher.put(item)

    def later(self, seconds: float) -> None:
        self.clock.now += seconds
        self.publisher.turn()

    def sent(self) -> list[int]:
        return [int(key or b"") for key, _, _ in self.sink.published]


def test_records_go_out_in_order_and_by_channel() -> None:
    site = Site()
    site.put(1, 2, 1000, 3)
    site.publisher.turn()
    assert site.sent() == [1, 2, 3]
    assert site.feedback.published == [(b"1000", b"{}", {"a": b"b"})]
    assert site.publisher.fates == {"taken": 4, "published": 4, "dropped": 0}


def test_what_comes_while_others_are_sent_waits_for_the_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    flush = site.sink.flush

    def flush_while_one_more_comes() -> None:
        flush()
        if len(site.sink.published) < 4:
            site.put(99)

    monkeypatch.setattr(site.sink, "flush", flush_while_one_more_comes)
    site.put(1, 2, 3)
    site.publisher.turn()
    first = site.sent()
    site.publisher.turn()
    assert first == [1, 2, 3]
    assert site.sent() == [1, 2, 3, 99]


def test_a_turn_sends_more_than_one_portion() -> None:
    site = Site(most=1000)
    site.put(*range(600))
    site.publisher.turn()
    assert site.sent() == list(range(600))


def test_the_oldest_is_dropped_and_counted_when_the_queue_is_full() -> None:
    site = Site(most=3)
    site.put(*range(8))
    site.publisher.turn()
    assert site.sent() == [5, 6, 7]
    assert site.publisher.fates["dropped"] == 5


def test_while_the_broker_is_away_records_wait_and_are_sent_when_it_is_back() -> None:
    site = Site(most=4)
    site.sink.away = True
    site.put(1, 2)
    site.publisher.turn()
    site.put(*range(3, 9))
    site.later(0.5)
    assert site.sent() == []
    site.sink.away = False
    site.later(1.0)
    assert site.sent() == [1, 2, 5, 6, 7, 8]
    assert site.publisher.fates == {"taken": 8, "published": 6, "dropped": 2}
    assert [type(event) for event in site.events] == [Away, Back]


def test_attempts_grow_rarer() -> None:
    site = Site()
    site.sink.away = True
    site.put(1)
    site.publisher.turn()
    for _ in range(200):
        site.later(1.0)
    waits = [event.again_in_s for event in site.events if isinstance(event, Away)]
    assert waits[:6] == [1, 2, 4, 8, 16, 30]
    assert len(waits) < 12


def test_a_spool_keeps_all_and_gives_it_back_in_order(tmp_path: Path) -> None:
    site = Site(most=3, spool=Spool(tmp_path, 2**20))
    site.sink.away = True
    for item in range(1, 10):
        site.put(item)
        site.later(0.1)
    assert site.publisher.fates["spooled"] == 9
    site.sink.away = False
    site.put(10)
    site.later(60.0)
    assert site.sent() == list(range(1, 11))
    assert list(tmp_path.iterdir()) == []
    assert site.publisher.fates["dropped"] == 0


def test_a_spool_outlives_its_process_and_a_record_that_was_cut_off(tmp_path: Path) -> None:
    site = Site(spool=Spool(tmp_path, 2**20))
    site.sink.away = True
    site.put(1, 2)
    site.publisher.turn()
    (segment,) = tmp_path.iterdir()
    segment.write_bytes(segment.read_bytes() + b"\x00\x00\x00\x40cut")
    again = Site(spool=Spool(tmp_path, 2**20))
    again.publisher.turn()
    assert again.sent() == [1, 2]


def test_a_full_spool_loses_its_oldest_segment_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.worker.spool.SEGMENT_BYTES", 64)
    spool = Spool(tmp_path, 200)
    gone = [spool.append([Outgoing("traces", b"k", b"x" * 100, {})]) for _ in range(5)]
    assert sum(gone) == 4
    found = spool.oldest()
    assert found is not None
    assert len(found[1]) == 1


def test_one_that_is_refused_does_not_hold_back_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    real = site.sink.flush

    def flush() -> None:
        if any(key == b"2" for key, _, _ in site.sink._queued):
            site.sink.close()
            raise Permanent("too large")
        real()

    monkeypatch.setattr(site.sink, "flush", flush)
    site.put(1, 2, 3)
    site.publisher.turn()
    assert site.sent() == [1, 3]
    assert site.publisher.fates["refused"] == 1


def test_one_that_can_not_be_made_does_not_hold_back_the_others() -> None:
    site = Site()
    site.put(1, -1, 2)
    site.publisher.turn()
    assert site.sent() == [1, 2]
    assert site.publisher.fates["refused"] == 1


def test_putting_never_waits_for_a_sink_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(most=10)
    hanging, released = threading.Event(), threading.Event()

    def flush() -> None:
        hanging.set()
        released.wait(30)
        raise Transient("no answer")

    monkeypatch.setattr(site.sink, "flush", flush)
    thread = threading.Thread(target=site.publisher.run)
    thread.start()
    site.put(0)
    assert hanging.wait(30)
    site.put(*range(1, 101))  # the sink still hangs: had put waited for it, this line were never passed
    assert site.publisher.fates["dropped"] == 90
    site.publisher.stop()
    released.set()
    thread.join(30)
    assert not thread.is_alive()


def test_what_is_left_at_the_end_is_sent() -> None:
    site = Site()
    thread = threading.Thread(target=site.publisher.run)
    thread.start()
    site.put(1, 2, 3)
    site.publisher.stop()
    thread.join(30)
    assert site.sent() == [1, 2, 3]


def test_a_whole_batch_waits_for_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(most=1000)
    site.publisher.gather_s = 3600.0
    turned, flushed = threading.Event(), threading.Event()
    turn, flush = site.publisher.turn, site.sink.flush
    monkeypatch.setattr(site.publisher, "turn", lambda: (turn(), turned.set()))
    monkeypatch.setattr(site.sink, "flush", lambda: (flush(), flushed.set()))
    thread = threading.Thread(target=site.publisher.run)
    thread.start()
    assert turned.wait(30)
    site.put(*range(BATCH))
    assert flushed.wait(30)
    assert site.sent() == list(range(BATCH))
    site.publisher.stop()
    thread.join(30)
    assert not thread.is_alive()
