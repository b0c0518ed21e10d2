"""What is Postgres' own: the lease of a notifier that died, one message to many endpoints, and replays."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from monitor.model.alert import Delivered, Message, Refused, Retry
from monitor.storage.outbox import LEASE, PostgresOutbox
from tests.stores import START, InPostgres

SECOND = timedelta(seconds=1)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Two messages of one alert, each for pager and chat."""
    real = InPostgres(database_url)
    with real.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO alerts VALUES ('a', 'f', '{}', 'firing', now(), now(), NULL, '', '{}', '{}', NULL)"
        )
        for name in ("m1", "m2"):
            connection.exec_driver_sql(
                "INSERT INTO outbox (id, alert, fingerprint, payload, created_at) VALUES (%s, 'a', 'f', '{}', %s)",
                (name, START),
            )
        connection.exec_driver_sql(
            "INSERT INTO deliveries (sequence, endpoint, next_attempt_at)"
            " SELECT sequence, endpoint, %s FROM outbox, unnest(ARRAY['chat', 'pager']) AS endpoint",
            (START,),
        )
    yield real.engine
    real.close()


def due(engine: Engine, after: timedelta = timedelta(0)) -> list[tuple[str, str, int]]:
    with PostgresOutbox(engine).due(START + after, 10) as messages:
        return [(message.id, message.endpoint, message.attempts) for message in messages]


def taken(engine: Engine, endpoint: str) -> Message:
    with PostgresOutbox(engine).due(START, 10) as messages:
        return next(message for message in messages if message.endpoint == endpoint)


def test_a_message_goes_to_each_endpoint_by_itself(engine: Engine) -> None:
    outbox = PostgresOutbox(engine)
    outbox.settle(taken(engine, "chat"), Delivered(200), START, None)
    outbox.settle(taken(engine, "pager"), Retry("HTTP 500", 500), START, START + SECOND)

    assert due(engine) == [("m2", "chat", 0)]
    assert due(engine, SECOND) == [("m1", "pager", 1), ("m2", "chat", 0)]


def test_what_a_dead_notifier_held_is_due_after_its_lease(engine: Engine) -> None:
    held = PostgresOutbox(engine).due(START, 10)
    held.__enter__()  # and never comes back

    assert due(engine, LEASE - SECOND) == []
    assert due(engine, LEASE) == [("m1", "chat", 0), ("m1", "pager", 0)]
    held.__exit__(None, None, None)


def test_a_notifier_gives_back_only_what_it_holds_itself(engine: Engine) -> None:
    with PostgresOutbox(engine).due(START, 1) as mine:
        with PostgresOutbox(engine).due(START, 10) as others:
            pass
        still_held = due(engine)

    held, free = ([(message.id, message.endpoint, 0) for message in found] for found in (mine, others))
    assert sorted([*held, *free]) == [("m1", "chat", 0), ("m1", "pager", 0)]
    assert (len(held), still_held) == (1, free)


def test_a_retry_at_the_very_end_of_the_lease_keeps_its_time(engine: Engine) -> None:
    outbox = PostgresOutbox(engine)
    with outbox.due(START, 10) as messages:
        for message in messages:
            outbox.settle(message, Retry("HTTP 500", 500), START, START + LEASE)

    assert due(engine, LEASE - SECOND) == []
    assert due(engine, LEASE) == [("m1", "chat", 1), ("m1", "pager", 1)]


def test_a_replay_enables_the_endpoint_and_sends_the_dead_again(engine: Engine) -> None:
    outbox = PostgresOutbox(engine)
    outbox.settle(taken(engine, "chat"), Delivered(200), START, None)
    outbox.settle(taken(engine, "chat"), Refused("HTTP 410", 410, gone=True), START, None)
    gone = [message for message in due(engine) if message[1] == "chat"]
    moved = outbox.replay("chat", since=START, everything=False, at=START)
    dead = [message for message in due(engine) if message[1] == "chat"]
    too_old = outbox.replay("chat", since=START + SECOND, everything=True, at=START)
    all_moved = outbox.replay("chat", since=START, everything=True, at=START)

    assert (gone, moved, dead) == ([], 1, [("m2", "chat", 0)])
    assert (too_old, all_moved) == (0, 1)  # m1, which was delivered; m2 waits already
    assert [message for message in due(engine) if message[1] == "chat"] == [("m1", "chat", 0)]


def test_every_attempt_is_noted(engine: Engine) -> None:
    outbox = PostgresOutbox(engine)
    outbox.settle(taken(engine, "chat"), Retry("HTTP 503", 503), START, START + SECOND)
    with engine.connect() as connection:
        row = connection.exec_driver_sql("SELECT * FROM v_deliveries WHERE endpoint = 'chat' AND message = 'm1'").one()

    assert (row.status, row.attempts, row.last_status, row.last_error) == ("pending", 1, 503, "HTTP 503")
    assert (row.last_attempt_at, row.next_attempt_at) == (START, START + SECOND)
