"""What was flushed is there; what could not be is said; dead letters carry where they came from and why."""

import time

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from monitor.dev.processes import free_port
from monitor.errors import Permanent, Transient
from monitor.kafka import KafkaConfig, KafkaDeadLetters, KafkaSink
from monitor.kafka.gathered import Gathered
from monitor.kafka.producer import TooLarge
from monitor.kafka.sink import cut, dead_letter
from monitor.model.record import Partition, Record, Reject
from tests.conftest import Broker
from tests.kafka import support


def limit_records(config: KafkaConfig, topic: str, size: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=config.bootstrap_servers)
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": str(size)})])
    admin.close()


def noise(size: int) -> bytes:
    """Bytes that do not compress: a linear congruential generator's."""
    state, found = 1, bytearray()
    while len(found) < size:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        found += state.to_bytes(8, "little")
    return bytes(found[:size])


def reject(value: bytes, offset: int = 41) -> Reject:
    record = Record(Partition("llm.traces.v1", 3), offset, value, {"traceparent": b"00-1", "error.type": b"old"}, b"id")
    return Reject(record, "not_json", "JSON is malformed: invalid character (byte 0)")


def test_flushed_records_are_there_in_order(kafka: Broker) -> None:
    config = support.prepared(kafka)
    sink = KafkaSink(config, config.topic)
    for number in range(300):
        sink.send(b"same", b"%d" % number, {"content-type": b"application/json", "n": b"%d" % number})
    sink.flush()
    sink.close()

    found = support.read_all(config, config.topic, 300)

    assert [each.value for each in found] == [b"%d" % number for number in range(300)]
    assert {each.key for each in found} == {b"same"}
    assert list(found[7].headers) == [("content-type", b"application/json"), ("n", b"7")]


def test_gathered_records_of_a_flush_share_a_partition_and_flushes_do_not(kafka: Broker) -> None:
    config = support.prepared(kafka, partitions=6)
    sink = KafkaSink(config, config.topic, gathered=Gathered())
    for flush in range(12):
        for number in range(5):
            sink.send(b"%d" % (5 * flush + number), b"%d" % flush, {})
        sink.flush()
    sink.close()

    found = support.read_all(config, config.topic, 60)

    places = {flush: {each.partition for each in found if each.value == b"%d" % flush} for flush in range(12)}
    assert {flush: len(where) for flush, where in places.items()} == dict.fromkeys(range(12), 1)
    assert len(set.union(*places.values())) > 1
    assert {each.key for each in found} == {b"%d" % number for number in range(60)}


def test_more_than_the_buffer_takes_is_sent_all_the_same(kafka: Broker) -> None:
    config = support.prepared(kafka)
    sink = KafkaSink(config, config.topic)
    value = b"x" * 4_000_000
    for number in range(12):
        sink.send(b"%d" % number, value, {})
    sink.flush()
    sink.close()

    assert [each.key for each in support.read_all(config, config.topic, 12)] == [b"%d" % n for n in range(12)]


def test_a_record_too_large_is_refused_and_the_next_is_sent(kafka: Broker) -> None:
    config = support.prepared(kafka)
    limit_records(config, config.topic, 10_000)
    sink = KafkaSink(config, config.topic)

    with pytest.raises(TooLarge, match="The message is 9000"):
        sink.send(b"k", b"x" * 9_000_000, {})
    sink.send(b"k", noise(20_000), {})
    with pytest.raises(TooLarge, match="MessageSizeTooLarge"):
        sink.flush()
    sink.send(b"k", b"small", {})
    sink.flush()
    sink.close()

    assert [each.value for each in support.read_all(config, config.topic, 1)] == [b"small"]


def test_without_a_broker_sending_fails_in_time() -> None:
    sink = KafkaSink(KafkaConfig(f"127.0.0.1:{free_port()}", connect_timeout_s=0.5), "llm.traces.v1")
    began = time.monotonic()

    with pytest.raises(Transient, match=r"no Kafka broker answers at 127\.0\.0\.1:"):
        sink.send(b"k", b"v", {})

    assert time.monotonic() - began < 3


def test_a_topic_that_is_not_there_is_an_error_in_time(kafka: Broker) -> None:
    sink = KafkaSink(KafkaConfig(kafka.bootstrap, connect_timeout_s=1), "unheard.of")

    with pytest.raises((Transient, Permanent)):
        sink.send(b"k", b"v", {})
    sink.close()


def test_a_dead_letter_carries_its_bytes_reason_and_source(kafka: Broker) -> None:
    config = support.prepared(kafka)
    letters = KafkaDeadLetters(config)
    letters.send([reject(b"\x00not json\xff")])
    letters.close()

    found = support.read_all(config, config.dead_letter_topic, 1)[0]

    assert (found.value, found.key) == (b"\x00not json\xff", b"id")
    assert dict(found.headers) == {
        "error.type": b"not_json",
        "error.message": b"JSON is malformed: invalid character (byte 0)",
        "source.topic": b"llm.traces.v1",
        "source.partition": b"3",
        "source.offset": b"41",
        "traceparent": b"00-1",
    }


def test_dead_letters_the_broker_refuses_as_too_large_are_cut(kafka: Broker) -> None:
    config = support.prepared(kafka)
    limit_records(config, config.dead_letter_topic, 400_000)
    letters = KafkaDeadLetters(config)
    large = noise(500_000)
    letters.send([reject(b"small", 1), reject(large, 2), reject(b"x" * 9_500_000, 3), reject(b"small", 4)])
    letters.close()

    found = {
        dict(each.headers)["source.offset"]: each for each in support.read_all(config, config.dead_letter_topic, 4)
    }

    assert {offset: len(each.value) for offset, each in found.items()} == {
        b"1": 5,
        b"2": 262_144,
        b"3": 262_144,
        b"4": 5,
    }
    assert found[b"2"].value == large[:262_144]
    assert {offset: dict(each.headers).get("truncated") for offset, each in found.items()} == {
        b"1": None,
        b"2": b"true",
        b"3": b"true",
        b"4": None,
    }


def test_a_cut_letter_keeps_our_headers_and_drops_those_without_room() -> None:
    record = Record(Partition("t", 0), 5, b"v", {"large": b"x" * 70_000, "small": b"s"}, b"k" * 70_000)
    letter = cut(dead_letter(Reject(record, "too_large", "record: at most 4 bytes, got 9")))

    assert list(letter.headers) == [
        "truncated",
        "error.type",
        "error.message",
        "source.topic",
        "source.partition",
        "source.offset",
    ]
    assert (letter.key, letter.value) == (None, b"v")
