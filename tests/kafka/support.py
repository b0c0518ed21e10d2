"""What a producer, an administrator and a store do, for the tests of the source."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from monitor.kafka import KafkaConfig, topics
from monitor.model.record import Partition, Record
from monitor.ports import Source
from tests.conftest import Broker

DEADLINE_S = 30.0


def prepared(broker: Broker, *, partitions: int = 1, **settings: Any) -> KafkaConfig:
    """Settings with topics and a group of their own; the topics are there."""
    name = f"traces.{uuid4().hex[:12]}"
    given = {"topic": name, "dead_letter_topic": f"{name}.dlq", "group_id": name, "session_timeout_s": 3.0, **settings}
    config = KafkaConfig(bootstrap_servers=broker.bootstrap, **given)
    topics.ensure(config, partitions=partitions)
    return config


def publish(
    config: KafkaConfig,
    values: Sequence[bytes],
    *,
    partition: int = 0,
    key: bytes | None = None,
    headers: Mapping[str, bytes] | None = None,
) -> None:
    producer = KafkaProducer(
        bootstrap_servers=config.bootstrap_servers, max_request_size=9_000_000, compression_type="lz4", linger_ms=5
    )
    for value in values:
        producer.send(config.topic, value, key, list((headers or {}).items()), partition)
    producer.flush(DEADLINE_S)
    producer.close()


def publish_aborted(config: KafkaConfig, *, partition: int = 0) -> None:
    """Two offsets without a record: one that was taken back, and the marker that says so."""
    producer = KafkaProducer(bootstrap_servers=config.bootstrap_servers, transactional_id=uuid4().hex)
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(config.topic, b"taken back", partition=partition)
    producer.flush(DEADLINE_S)
    producer.abort_transaction()
    producer.close()


def delete_before(config: KafkaConfig, offset: int, *, partition: int = 0) -> None:
    """What retention does."""
    admin = KafkaAdminClient(bootstrap_servers=config.bootstrap_servers)
    admin.delete_records({TopicPartition(config.topic, partition): offset})
    admin.close()


def read_all(config: KafkaConfig, topic: str, count: int) -> list[Any]:
    """The first messages of a topic, by a plain consumer."""
    consumer = KafkaConsumer(
        bootstrap_servers=config.bootstrap_servers, consumer_timeout_ms=DEADLINE_S * 1_000, auto_offset_reset="earliest"
    )
    consumer.assign([TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)])
    messages = [next(consumer) for _ in range(count)]
    consumer.close()
    return messages


class Keeper:
    """The consumer loop with a store that knows only positions and refuses all but the next offset."""

    def __init__(self, positions: Mapping[Partition, int] | None = None) -> None:
        self.positions = dict(positions or {})
        self.records: list[Record] = []

    def step(self, source: Source) -> Sequence[Record]:
        unplaced = source.unplaced()
        source.place({each: self.positions.setdefault(each, source.beginning(each)) for each in unplaced})
        records = source.poll(0.1)
        progress = source.progress(records)
        for each in progress:
            if self.positions[each.partition] != each.first:
                raise AssertionError(f"{each.partition}: expected {self.positions[each.partition]}, got {each.first}")
            self.positions[each.partition] = each.next
        self.records.extend(records)
        source.stored(progress)
        return records

    def run(self, *sources: Source, until: Callable[[], bool]) -> None:
        """Step all sources in turn until the fact holds."""
        end_at = time.monotonic() + DEADLINE_S
        while not until():
            if time.monotonic() > end_at:
                raise AssertionError(f"not within {DEADLINE_S} s; {len(self.records)} records, {self.positions}")
            for source in sources:
                self.step(source)

    def values(self) -> list[bytes]:
        return [record.value for record in self.records]
