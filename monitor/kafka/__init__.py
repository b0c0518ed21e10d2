"""Kafka, at the edge: traces come in by ``KafkaSource``, records go out by ``KafkaSink`` and ``KafkaDeadLetters``."""

from monitor.kafka.config import KafkaConfig
from monitor.kafka.sink import KafkaDeadLetters, KafkaSink
from monitor.kafka.source import KafkaSource

__all__ = ["KafkaConfig", "KafkaDeadLetters", "KafkaSink", "KafkaSource"]
