"""The broker is a real one: what it acknowledged is there after kill -9."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from monitor.dev import kafka as service
from monitor.dev.processes import ServiceError
from tests.conftest import Broker


def create_topic(bootstrap: str, name: str, *, replicas: int = 1) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=replicas)])
    admin.close()


def append(bootstrap: str, name: str, values: list[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=8_000_000)
    for sent in [producer.send(name, value, partition=0) for value in values]:
        sent.get(timeout=30)
    producer.close()


def read(bootstrap: str, name: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, consumer_timeout_ms=20_000, max_partition_fetch_bytes=8_000_000
    )
    consumer.assign([TopicPartition(name, 0)])
    consumer.seek_to_beginning()
    values = [next(consumer).value for _ in range(count)]
    consumer.close()
    return values


def test_acknowledged_records_survive_kill_9(kafka: Broker, topic: Callable[[str], str]) -> None:
    name = topic("survivors")
    create_topic(kafka.bootstrap, name)
    values = [b"record %d" % number for number in range(500)]
    append(kafka.bootstrap, name, values)

    kafka.kill()
    dead = service.address(kafka.folder)
    kafka.restart()

    assert dead is None
    assert service.address(kafka.folder) == kafka.bootstrap
    assert read(kafka.bootstrap, name, 500) == values


def test_a_record_of_five_megabytes_passes(kafka: Broker, topic: Callable[[str], str]) -> None:
    name = topic("large")
    create_topic(kafka.bootstrap, name)
    append(kafka.bootstrap, name, [b"x" * 5_000_000])

    assert read(kafka.bootstrap, name, 1) == [b"x" * 5_000_000]


def test_a_second_start_finds_the_running_broker(kafka: Broker) -> None:
    before = (kafka.folder / "node-1" / "pid").read_text()

    assert service.start(kafka.folder) == kafka.bootstrap
    assert (kafka.folder / "node-1" / "pid").read_text() == before


def test_a_taken_port_is_told_with_the_brokers_last_words(tmp_path: Path) -> None:
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        port = occupant.getsockname()[1]
        with pytest.raises(ServiceError, match=rf"(?s)Kafka on port {port} .*broker\.log.*Address already in use"):
            service.start(tmp_path, ports=[port])
        service.stop(tmp_path)


def test_without_java_the_message_tells_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)

    with pytest.raises(ServiceError, match=r"`java` is not on PATH.*openjdk-17-jre-headless maven"):
        service.start(tmp_path)


def test_three_brokers_go_on_when_the_leader_dies(tmp_path: Path, topic: Callable[[str], str]) -> None:
    name = topic("replicated")
    try:
        bootstrap = service.start(tmp_path, brokers=3)
        create_topic(bootstrap, name, replicas=3)
        append(bootstrap, name, [b"before"])
        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        leader = admin.describe_topics([name])[0]["partitions"][0]["leader_id"]
        admin.close()

        service.kill(tmp_path, node=leader)
        append(bootstrap, name, [b"after"])

        assert read(bootstrap, name, 2) == [b"before", b"after"]
    finally:
        service.kill(tmp_path)
