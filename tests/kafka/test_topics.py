"""Topics are made once, with room for large records."""

from uuid import uuid4

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from monitor.errors import Permanent
from monitor.kafka import KafkaConfig, topics
from tests.conftest import Broker
from tests.kafka import support


def limit(config: KafkaConfig, topic: str) -> str:
    admin = KafkaAdminClient(bootstrap_servers=config.bootstrap_servers)
    found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    admin.close()
    return str(found["topic"][topic]["max.message.bytes"]["value"])


def test_missing_topics_are_made_once(kafka: Broker) -> None:
    name = f"traces.{uuid4().hex}"
    config = KafkaConfig(
        kafka.bootstrap, topic=name, dead_letter_topic=f"{name}.dlq", feedback_topic=f"{name}.feedback"
    )

    first = topics.ensure(config, partitions=3)
    second = topics.ensure(config, partitions=5)

    assert (first, second) == ((name, f"{name}.dlq", f"{name}.feedback"), ())
    assert topics.partition_count(config) == 3
    assert limit(config, name) == "8388608"
    assert limit(config, f"{name}.dlq") == "9437184"


def test_what_the_broker_will_not_make_is_said_with_its_reason(kafka: Broker) -> None:
    name = f"traces.{uuid4().hex}"
    config = KafkaConfig(kafka.bootstrap, topic=name, dead_letter_topic=f"{name}.dlq")

    with pytest.raises(Permanent, match="with 6 partitions and 3 replicas: Unable to replicate the partition"):
        topics.ensure(config, replication=3)


def test_an_unknown_topic_is_named_with_the_way_to_make_it(kafka: Broker) -> None:
    config = KafkaConfig(kafka.bootstrap, topic="unheard.of")

    with pytest.raises(Permanent, match=r"has no topic 'unheard\.of'.*kafka-topics.sh .* --create --topic unheard\.of"):
        topics.partition_count(config)


def test_partitions_are_counted(kafka: Broker) -> None:
    assert topics.partition_count(support.prepared(kafka, partitions=2)) == 2
