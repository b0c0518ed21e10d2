"""The topics we read from and write to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from monitor.errors import Permanent
from monitor.kafka.client import opened, translated
from monitor.kafka.config import MIB, KafkaConfig

LARGEST_RECORD = 8 * MIB
# A dead letter is the whole record and says in its headers what is wrong with it.
LARGEST_DEAD_LETTER = LARGEST_RECORD + MIB


def ensure(config: KafkaConfig, *, partitions: int = 6, replication: int = 1) -> tuple[str, ...]:
    """The topics that were missing and are there now, each partition with its leader."""
    limits = {
        config.topic: LARGEST_RECORD, config.dead_letter_topic: LARGEST_DEAD_LETTER, config.feedback_topic: MIB,
    }  # fmt: skip
    with _admin(config) as admin:
        there = set(admin.list_topics())
        wanted = {
            topic: {
                "num_partitions": partitions,
                "replication_factor": replication,
                "configs": {"max.message.bytes": str(limit)},
            }
            for topic, limit in limits.items()
            if topic not in there
        }
        if not wanted:
            return ()
        made = []
        for answer in admin.create_topics(wanted, raise_errors=False)["topics"]:
            error = for_code(answer["error_code"])
            if answer["error_code"] == 0:
                made.append(answer["name"])
            elif error is not TopicAlreadyExistsError:  # else someone else was first
                raise Permanent(
                    f"Kafka at {config.bootstrap_servers} does not create {answer['name']!r} with {partitions} "
                    f"partitions and {replication} replicas: {answer.get('error_message') or error.__name__}"
                )
        admin.wait_for_topics(list(wanted))
        return tuple(made)


def partition_count(config: KafkaConfig) -> int:
    """Partitions of the topic of traces.

    Raises:
        Permanent: there is no such topic.
    """
    with _admin(config) as admin:
        found = admin.describe_topics([config.topic])
    count = len(found[0]["partitions"]) if found and found[0]["error_code"] == 0 else 0
    if count == 0:
        raise Permanent(
            f"Kafka at {config.bootstrap_servers} has no topic {config.topic!r} (DRIFTWARDEN_KAFKA__TOPIC); create it: "
            f"kafka-topics.sh --bootstrap-server {config.bootstrap_servers} --create --topic {config.topic} "
            f"--partitions 6 --config max.message.bytes={LARGEST_RECORD}"
        )
    return count


def remove(config: KafkaConfig) -> None:
    """Delete the topics with all they hold; one that is not there is fine."""
    with _admin(config) as admin:
        admin.delete_topics([config.topic, config.dead_letter_topic, config.feedback_topic], raise_errors=False)


@contextmanager
def _admin(config: KafkaConfig) -> Iterator[Any]:
    admin, _ = opened(KafkaAdminClient, config)
    try:
        yield admin
    except KafkaError as error:
        raise translated(error, config) from error
    finally:
        admin.close()
