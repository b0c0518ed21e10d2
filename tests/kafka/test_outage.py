"""One kill -9 of the broker and its return, seen by a source, a sink and the dead letters."""

import time
from dataclasses import dataclass

import pytest

from monitor.errors import Transient
from monitor.events import Away, Back, Event
from monitor.kafka import KafkaConfig, KafkaDeadLetters, KafkaSink, KafkaSource
from monitor.model.record import Partition, Progress, Record, Reject
from tests.conftest import Broker
from tests.kafka import support
from tests.kafka.support import Keeper


@dataclass(frozen=True, slots=True)
class Outage:
    """What was seen of it."""

    config: KafkaConfig
    events: list[Event]
    values: list[bytes]
    idle_while_away: list[Progress]
    idle_after: list[Progress]
    polls_a_second: int
    cpu_a_second: float
    failures: list[str]


@pytest.fixture(scope="module")
def outage(kafka: Broker) -> Outage:
    config = support.prepared(kafka, partitions=2, delivery_timeout_s=1.0, connect_timeout_s=1.0)
    events: list[Event] = []
    source, keeper = KafkaSource(config, emit=events.append), Keeper()
    sink, letters = KafkaSink(config, config.topic), KafkaDeadLetters(config)
    place = Partition(config.topic, 0)

    def publish(*values: bytes) -> None:
        for value in values:
            sink.send(b"always the same partition", value, {})
        sink.flush()

    def bury(value: bytes) -> None:
        letters.send([Reject(Record(place, 1, value, {}), "not_json", "malformed")])

    publish(*[b"%d" % number for number in range(50)])
    bury(b"before")
    keeper.run(source, until=lambda: len(keeper.records) == 50)

    kafka.kill()
    failures = []
    for attempt in (publish, bury):
        try:
            attempt(b"lost")
        except Transient as failure:
            failures.append(str(failure))
    keeper.run(source, until=lambda: len(events) > 0)
    began, cpu_began, polls = time.monotonic(), time.process_time(), 0
    while time.monotonic() - began < 1.0:
        keeper.step(source)
        polls += 1
    cpu_s, idle_while_away = time.process_time() - cpu_began, list(source.idle())

    kafka.restart()
    publish(*[b"%d" % number for number in range(50, 100)])
    bury(b"after")
    keeper.run(source, until=lambda: len(keeper.records) == 100 and len(source.idle()) == 2)
    idle_after = list(source.idle())
    for each in (source, sink, letters):
        each.close()
    return Outage(config, events, keeper.values(), idle_while_away, idle_after, polls, cpu_s, failures)


def test_a_killed_broker_costs_no_record_and_no_place(outage: Outage) -> None:
    assert outage.values == [b"%d" % number for number in range(100)]
    assert sorted((each.first, each.next, each.end) for each in outage.idle_after) == [(0, 0, 0), (100, 100, 100)]


def test_going_and_coming_back_are_one_event_each(outage: Outage) -> None:
    assert outage.events == [Away("kafka", "no broker answers", 2.0), Back("kafka")]


def test_waiting_for_the_broker_is_no_busy_loop(outage: Outage) -> None:
    assert outage.polls_a_second <= 20
    assert outage.cpu_a_second < 0.5


def test_nothing_is_called_idle_while_the_broker_is_away(outage: Outage) -> None:
    assert outage.idle_while_away == []


def test_what_is_not_acknowledged_in_time_is_transient(outage: Outage) -> None:
    sentence = f"no Kafka broker answers at {outage.config.bootstrap_servers} (DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS)"

    assert outage.failures == [sentence, sentence]


def test_the_same_dead_letters_go_on_after_the_outage(outage: Outage) -> None:
    found = support.read_all(outage.config, outage.config.dead_letter_topic, 2)

    assert sorted(each.value for each in found) == [b"after", b"before"]
