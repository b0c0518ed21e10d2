import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from monitor.errors import Transient
from monitor.events import Attempted, Away, Back, Event
from monitor.model.alert import Delivered, Message, Outcome, Refused, Retry
from monitor.outbox import DELAYS_S, notify
from monitor.ports import Outbox, Sender
from monitor.testing.outbox import MemoryOutbox, MemorySender

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
DOWN = Retry("Connection refused")


def message(name: str, *, endpoint: str = "pager", fingerprint: str = "f") -> Message:
    return Message(name, endpoint, fingerprint, b"{}", attempts=0)


@dataclass
class Site:
    """A notifier in simulated time: waiting is what makes the time pass."""

    outbox: Outbox
    sender: Sender
    now: datetime = NOW
    events: list[Event] = field(default_factory=list)

    def run(self, *, until: datetime) -> None:
        def wait(seconds: float) -> None:
            self.now += timedelta(seconds=seconds)

        notify(
            self.outbox,
            self.sender,
            clock=lambda: self.now,
            emit=self.events.append,
            stopped=lambda: self.now > until,
            wait=wait,
        )


def test_a_message_is_delivered_at_once_and_once() -> None:
    outbox, sender = MemoryOutbox(), MemorySender()
    outbox.put(message("m1"), NOW)
    site = Site(outbox, sender)
    site.run(until=NOW + timedelta(hours=1))

    assert sender.sent == [(message("m1"), NOW)]
    assert site.events == [Attempted("pager", "m1", "delivered", 200, 1)]


def test_a_receiver_down_for_a_minute_has_its_alert_within_a_minute_of_being_back() -> None:
    back = NOW + timedelta(seconds=60)
    sender = MemorySender(lambda m, at: DOWN if at < back else Delivered(200))
    outbox = MemoryOutbox()
    outbox.put(message("m1"), NOW)
    site = Site(outbox, sender)
    site.run(until=NOW + timedelta(minutes=5))

    assert isinstance(outbox.entry("m1").outcomes[-1], Delivered)
    assert back <= sender.sent[-1][1] <= back + timedelta(minutes=1)
    assert [m.attempts for m, _ in sender.sent] == list(range(len(sender.sent)))


def test_a_receiver_down_for_good_gets_fourteen_attempts_over_three_days() -> None:
    outbox, sender = MemoryOutbox(), MemorySender(lambda m, at: Retry("HTTP 404", 404))
    outbox.put(message("m1"), NOW)
    site = Site(outbox, sender)
    for delay_s in (0, *DELAYS_S, 200_000):  # from wait to wait, not in seconds: three days are 270,000 polls
        site.now += timedelta(seconds=delay_s * 1.11)
        site.run(until=site.now)

    names = [event.outcome for event in site.events if isinstance(event, Attempted)]
    assert names == ["retry"] * 13 + ["dead"]
    assert outbox.entry("m1").due_at is None


def test_messages_of_a_fingerprint_arrive_in_order_whatever_fails() -> None:
    """Each attempt's outcome has a seed of its own, since endpoints are served in parallel; the fourth succeeds."""
    arrived: dict[tuple[str, str], list[str]] = defaultdict(list)

    def answer(m: Message, at: datetime) -> Outcome:
        failures = [Retry("HTTP 500", 500), Retry("HTTP 400", 400), DOWN]
        drawn = random.Random(f"{m.id} {m.attempts}").choice([Delivered(200), *failures])
        outcome = Delivered(200) if m.attempts == 3 else drawn
        if isinstance(outcome, Delivered):
            arrived[m.endpoint, m.fingerprint].append(m.id)
        return outcome

    outbox = MemoryOutbox()
    lines = [(endpoint, fingerprint) for endpoint in ("pager", "chat") for fingerprint in ("f", "g", "h")]
    for i in range(5):
        for endpoint, fingerprint in lines:
            outbox.put(message(f"{endpoint}{fingerprint}{i}", endpoint=endpoint, fingerprint=fingerprint), NOW)
    Site(outbox, MemorySender(answer)).run(until=NOW + timedelta(minutes=30))

    assert arrived == {(e, f): [f"{e}{f}{i}" for i in range(5)] for e, f in lines}


def test_an_endpoint_that_hangs_does_not_hold_up_another() -> None:
    """The hanging one ends only after the other was served, so serving one after the other would fail."""
    served = threading.Event()

    def answer(m: Message, at: datetime) -> Outcome:
        if m.endpoint == "fast":
            served.set()
            return Delivered(200)
        return Delivered(200) if served.wait(10) else DOWN

    outbox = MemoryOutbox()
    outbox.put(message("m1", endpoint="slow"), NOW)
    outbox.put(message("m2", endpoint="fast"), NOW)
    site = Site(outbox, MemorySender(answer))
    site.run(until=NOW)

    assert {(e.endpoint, e.outcome) for e in site.events if isinstance(e, Attempted)} == {
        ("slow", "delivered"),
        ("fast", "delivered"),
    }


def test_an_endpoint_that_is_away_is_asked_once_in_five_seconds_not_once_per_message() -> None:
    outbox, sender = MemoryOutbox(), MemorySender(lambda m, at: DOWN)
    for i in range(50):
        outbox.put(message(f"m{i}", fingerprint=f"f{i}"), NOW)
    site = Site(outbox, sender)
    site.run(until=NOW + timedelta(seconds=60))

    times = [at for _, at in sender.sent]
    assert len(times) == 13
    assert min(b - a for a, b in pairwise(times)) >= timedelta(seconds=5)
    assert [e for e in site.events if not isinstance(e, Attempted)] == [
        Away("webhook pager", "Connection refused", 5.0)
    ]


def test_an_endpoint_that_asks_for_quiet_is_left_alone_as_long() -> None:
    quiet = NOW + timedelta(seconds=300)
    outbox = MemoryOutbox()
    sender = MemorySender(lambda m, at: Retry("HTTP 429", 429, 300) if at < quiet else Delivered(200))
    for i in range(3):
        outbox.put(message(f"m{i}", fingerprint=f"f{i}"), NOW)
    site = Site(outbox, sender)
    site.run(until=NOW + timedelta(seconds=400))

    assert [m.id for m, at in sender.sent if at < quiet] == ["m0"]
    assert {m.id for m, at in sender.sent if at >= quiet} == {"m0", "m1", "m2"}
    assert [e for e in site.events if not isinstance(e, Attempted)] == [
        Away("webhook pager", "HTTP 429", 300.0),
        Back("webhook pager"),
    ]


def test_a_message_the_receiver_dislikes_holds_up_no_other() -> None:
    outbox = MemoryOutbox()
    sender = MemorySender(lambda m, at: Retry("HTTP 400", 400) if m.id == "m0" else Delivered(200))
    for i in range(3):
        outbox.put(message(f"m{i}", fingerprint=f"f{i}"), NOW)
    site = Site(outbox, sender)
    site.run(until=NOW)

    assert site.events == [
        Attempted("pager", "m0", "retry", 400, 1),
        Attempted("pager", "m1", "delivered", 200, 1),
        Attempted("pager", "m2", "delivered", 200, 1),
    ]


def test_gone_and_refused_are_told_apart() -> None:
    outbox = MemoryOutbox()
    replies: dict[str, Outcome] = {"pager": Refused("HTTP 410", 410, gone=True), "chat": Refused("not configured")}
    outbox.put(message("m1"), NOW)
    outbox.put(message("m2", endpoint="chat"), NOW)
    outbox.put(message("m3", fingerprint="g"), NOW + timedelta(seconds=5))
    site = Site(outbox, MemorySender(lambda m, at: replies[m.endpoint]))
    site.run(until=NOW + timedelta(seconds=10))

    assert sorted((e.endpoint, e.message, e.outcome) for e in site.events if isinstance(e, Attempted)) == [
        ("chat", "m2", "refused"),
        ("pager", "m1", "gone"),
    ]


class Flaky(MemoryOutbox):
    """Away at the first calls of each kind."""

    def __init__(self, *, due: int = 0, settle: int = 0) -> None:
        super().__init__()
        self.failures = {"due": due, "settle": settle}

    def fail(self, what: str) -> None:
        self.failures[what] -= 1
        if self.failures[what] >= 0:
            raise Transient("the database is away")

    @contextmanager
    def due(self, now: datetime, limit: int) -> Iterator[Sequence[Message]]:
        self.fail("due")
        with super().due(now, limit) as messages:
            yield messages

    def settle(self, message: Message, outcome: Outcome, at: datetime, again_at: datetime | None) -> None:
        self.fail("settle")
        super().settle(message, outcome, at, again_at)


def test_a_store_that_is_away_is_waited_for() -> None:
    outbox, sender = Flaky(due=3), MemorySender()
    outbox.put(message("m1"), NOW)
    site = Site(outbox, sender)
    site.run(until=NOW + timedelta(minutes=1))

    assert [at for _, at in sender.sent] == [NOW + timedelta(seconds=15)]
    assert site.events == [
        Away("outbox", "the database is away", 5.0),
        Attempted("pager", "m1", "delivered", 200, 1),
        Back("outbox"),
    ]


def test_an_outcome_that_could_not_be_noted_is_sent_again_under_the_same_id() -> None:
    outbox, sender = Flaky(settle=1), MemorySender()
    outbox.put(message("m1"), NOW)
    site = Site(outbox, sender)
    site.run(until=NOW + timedelta(minutes=1))

    assert [m for m, _ in sender.sent] == [message("m1"), message("m1")]
    assert outbox.entry("m1").outcomes == [Delivered(200)]


def test_a_stop_lets_the_rest_of_the_round_be() -> None:
    stop = threading.Event()

    def answer(m: Message, at: datetime) -> Outcome:
        stop.set()
        return Delivered(200)

    outbox, sender = MemoryOutbox(), MemorySender(answer)
    for i in range(3):
        outbox.put(message(f"m{i}", fingerprint=f"f{i}"), NOW)
    never: Callable[[float], object] = stop.wait
    notify(outbox, sender, clock=lambda: NOW, emit=lambda event: None, stopped=stop.is_set, wait=never)

    assert len(sender.sent) == 1
    assert len(outbox.entry("m0").outcomes) == 1


def test_a_round_ends_in_time_though_a_receiver_is_slow() -> None:
    """Slow answers still count; what does not fit in a round is for the next one, where newcomers are served too."""
    site = Site(MemoryOutbox(), MemorySender())
    served: list[str] = []

    def answer(m: Message, at: datetime) -> Outcome:
        site.now += timedelta(seconds=6 if m.endpoint == "slow" else 0)
        served.append(m.id)
        if len(served) == 1:
            outbox.put(message("late", endpoint="chat"), NOW)
        return Delivered(200)

    outbox = MemoryOutbox()
    for i in range(8):
        outbox.put(message(f"m{i}", endpoint="slow", fingerprint=f"f{i}"), NOW)
    site.outbox, site.sender = outbox, MemorySender(answer)
    site.run(until=NOW + timedelta(minutes=5))

    assert served.index("late") <= 6  # three slow ones fit in each round, and it came in the first
    assert sorted(served) == sorted(["late", *(f"m{i}" for i in range(8))])
