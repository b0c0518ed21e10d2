"""What every outbox keeps, the fake and the real one alike.

An outbox joins by one function that yields an ``OutboxCase`` and one line in ``CASES``.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.model.alert import Delivered, Message, Outcome, Refused, Retry
from monitor.ports import Outbox
from monitor.storage.engine import connect
from monitor.storage.outbox import PostgresOutbox
from monitor.testing.outbox import MemoryOutbox

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class OutboxCase:
    """An empty outbox, ``other`` the same one as another notifier sees it, and how messages get in, due at ``at``.

    ``put(message, at)`` queues a message never attempted; ids are the test's own.
    """

    outbox: Outbox
    other: Outbox
    put: Callable[[Message, datetime], None]


@contextmanager
def memory(_request: pytest.FixtureRequest) -> Iterator[OutboxCase]:
    outbox = MemoryOutbox()
    yield OutboxCase(outbox, outbox, outbox.put)


@contextmanager
def postgres(request: pytest.FixtureRequest) -> Iterator[OutboxCase]:
    engine = connect(request.getfixturevalue("migrated_url"))
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO alerts VALUES ('a', 'f', '{}', 'firing', now(), now(), NULL, '', '{}', '{}', NULL)"
        )

    def put(message: Message, at: datetime) -> None:
        with engine.begin() as connection:
            sequence = connection.exec_driver_sql(
                "INSERT INTO outbox (id, alert, fingerprint, payload, created_at) VALUES (%s, 'a', %s, %s, %s)"
                " ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING sequence",
                (message.id, message.fingerprint, message.payload, at),
            ).scalar_one()
            connection.exec_driver_sql(
                "INSERT INTO deliveries (sequence, endpoint, next_attempt_at) VALUES (%s, %s, %s)",
                (sequence, message.endpoint, at),
            )

    yield OutboxCase(PostgresOutbox(engine), PostgresOutbox(engine), put)
    with engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE outbox, alerts, alert_events, deliveries, endpoints")
    engine.dispose()


Case = Callable[[pytest.FixtureRequest], AbstractContextManager[OutboxCase]]
CASES: tuple[Case, ...] = (memory, postgres)


@pytest.fixture(params=CASES, ids=lambda case: case.__name__)
def case(request: pytest.FixtureRequest) -> Iterator[OutboxCase]:
    with request.param(request) as opened:
        yield opened


def message(name: str, *, endpoint: str = "pager", fingerprint: str = "f") -> Message:
    return Message(name, endpoint, fingerprint, f'{{"name":"{name}"}}'.encode(), attempts=0)


def due(outbox: Outbox, at: datetime = NOW, limit: int = 100) -> Sequence[Message]:
    with outbox.due(at, limit) as messages:
        return list(messages)


def settle(case: OutboxCase, outcome: Outcome, again_at: datetime | None, at: datetime = NOW) -> str:
    """Settle the one message that is due."""
    with case.outbox.due(at, 100) as (only,):
        case.outbox.settle(only, outcome, at, again_at)
    return only.id


def test_an_empty_outbox_has_nothing_due(case: OutboxCase) -> None:
    assert due(case.outbox) == []


def test_a_message_comes_out_as_it_went_in(case: OutboxCase) -> None:
    case.put(message("m1"), NOW)

    assert due(case.outbox) == [message("m1")]


def test_nothing_is_due_before_its_time(case: OutboxCase) -> None:
    case.put(message("m1"), LATER)

    assert due(case.outbox, LATER - timedelta(seconds=1)) == []
    assert due(case.outbox, LATER) == [message("m1")]


def test_a_message_not_settled_stays_due(case: OutboxCase) -> None:
    case.put(message("m1"), NOW)

    assert due(case.outbox) == due(case.outbox) == [message("m1")]


def test_a_delivered_message_never_comes_back(case: OutboxCase) -> None:
    case.put(message("m1"), NOW)
    settle(case, Delivered(200), None)

    assert due(case.outbox, NOW + timedelta(days=365)) == []


def test_a_failed_message_comes_back_at_its_time_the_same_but_for_the_count(case: OutboxCase) -> None:
    case.put(message("m1"), NOW)
    settle(case, Retry("HTTP 500", 500), LATER)

    assert due(case.outbox, LATER - timedelta(seconds=1)) == []
    assert due(case.outbox, LATER) == [replace(message("m1"), attempts=1)]


def test_only_the_oldest_of_an_endpoint_and_fingerprint_is_due(case: OutboxCase) -> None:
    for name in ("m1", "m2", "m3"):
        case.put(message(name), NOW)

    assert [settle(case, Delivered(200), None) for _ in range(3)] == ["m1", "m2", "m3"]


def test_messages_behind_a_failed_one_wait_for_it(case: OutboxCase) -> None:
    case.put(message("m1"), NOW)
    case.put(message("m2"), NOW)
    settle(case, Retry("HTTP 500", 500), LATER)

    assert due(case.outbox, LATER - timedelta(seconds=1)) == []
    assert [m.id for m in due(case.outbox, LATER)] == ["m1"]


@pytest.mark.parametrize("last", [Retry("HTTP 500", 500), Refused("endpoint pager is not configured")])
def test_a_message_given_up_lets_the_next_one_go(case: OutboxCase, last: Outcome) -> None:
    case.put(message("m1"), NOW)
    case.put(message("m2"), NOW)
    settle(case, last, None)

    assert [m.id for m in due(case.outbox)] == ["m2"]


def test_other_fingerprints_and_endpoints_do_not_wait(case: OutboxCase) -> None:
    case.put(message("m1"), NOW)
    settle(case, Retry("HTTP 500", 500), LATER)
    case.put(message("m2", fingerprint="g"), NOW)
    case.put(message("m3", endpoint="chat"), NOW)

    assert {m.id for m in due(case.outbox)} == {"m2", "m3"}


def test_an_endpoint_that_is_gone_gets_nothing_more(case: OutboxCase) -> None:
    case.put(message("m1"), NOW)
    settle(case, Refused("HTTP 410", 410, gone=True), None)
    case.put(message("m2"), NOW)
    case.put(message("m3", fingerprint="g"), NOW)
    case.put(message("m4", endpoint="chat"), NOW)

    assert [m.id for m in due(case.outbox)] == ["m4"]


def test_what_one_notifier_holds_no_other_gets_and_none_overtakes_it(case: OutboxCase) -> None:
    case.put(message("m1"), NOW)
    case.put(message("m2"), NOW)
    case.put(message("m3", fingerprint="g"), NOW)
    with ExitStack() as stack:
        first = stack.enter_context(case.outbox.due(NOW, 1))
        second = stack.enter_context(case.other.due(NOW, 100))
        third = {"m1", "m2", "m3"} - {m.id for m in first} - {m.id for m in second}

    assert len(first) == 1
    assert {m.id for m in second} == {"m1", "m3"} - {m.id for m in first}
    assert third == {"m2"}


def test_what_was_held_is_free_after_an_error(case: OutboxCase) -> None:
    case.put(message("m1"), NOW)
    with pytest.raises(ZeroDivisionError), case.outbox.due(NOW, 100):
        _ = 1 / 0

    assert due(case.other) == [message("m1")]


def test_the_limit_holds_and_endpoints_take_turns(case: OutboxCase) -> None:
    """An endpoint with a long line must not fill each round and so shut out the others."""
    for i in range(20):
        case.put(message(f"m{i}", fingerprint=f"f{i}"), NOW)
    case.put(message("late", endpoint="chat"), NOW)

    taken = due(case.outbox, limit=5)
    assert len(taken) == 5
    assert "late" in {m.id for m in taken}
