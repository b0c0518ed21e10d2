"""An idempotent producer that is opened by its first record, and anew after a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError, UnknownError
from kafka.partitioner import DefaultPartitioner

from monitor.errors import DriftwardenError, Permanent
from monitor.kafka.client import opened, translated
from monitor.kafka.config import KafkaConfig

# So that most flushes are one batch; below the 1 MiB that topics take by default.
BATCH_BYTES = 1_000_000
REQUEST_TIMEOUT_MS = 10_000
# Records wait so long for others unless they are flushed: a request costs more CPU than the records in it.
LINGER_MS = 100


class TooLarge(Permanent):
    """The broker takes no record of this size, or the producer has met one such; close it then."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A record on its way."""

    key: bytes | None
    value: bytes
    headers: Mapping[str, bytes]

    @property
    def size(self) -> int:
        contents = sum(len(name) + len(content) for name, content in self.headers.items())
        return len(self.key or b"") + len(self.value) + contents


class Producer:
    """kafka-python's producer with every wait bounded. It does not bound what it queues: its users do."""

    def __init__(
        self, config: KafkaConfig, topic: str, *, largest: int, partitioner: DefaultPartitioner | None = None
    ) -> None:
        self._config = config
        self._topic = topic
        self._options = _options(config, largest, partitioner or DefaultPartitioner())
        self._producer: Any = None

    def post(self, letter: Letter) -> Any:
        """Queue it; ``wait`` takes what is returned.

        Raises:
            Transient: no broker answers.
            Permanent: the broker refuses us; ``TooLarge`` where it is for the size.
        """
        try:
            if self._producer is None:
                self._producer, _ = opened(KafkaProducer, self._config, **self._options)
            return self._producer.send(self._topic, letter.value, letter.key, list(letter.headers.items()))
        except KafkaError as error:
            raise self._failed(error) from error

    def flush(self) -> None:
        """Send what is queued now, in as few requests as it fits into; what became of each its receipt tells.

        Raises:
            Transient: not within ``delivery_timeout_s``.
        """
        if self._producer is None:
            return
        try:
            self._producer.flush(timeout=self._config.delivery_timeout_s + 1)
        except UnknownError:  # a batch the broker found too large was split in two, which are on their way
            return
        except KafkaError as error:
            raise self._failed(error) from error

    def wait(self, receipt: Any) -> None:
        """Return when the record is acknowledged by all replicas in sync.

        Raises:
            Transient: not within ``delivery_timeout_s``; all that was not waited for may or may not be there.
            Permanent: the broker refuses us; ``TooLarge`` where it is for the size.
        """
        try:
            receipt.get(timeout=self._config.delivery_timeout_s + 1)
        except KafkaError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Drop what was not acknowledged and let go of the connections."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.close(timeout=0)
        except KafkaError:  # records were waiting; it leaves its thread running then
            producer._sender.force_close()
            producer._sender.join(1)

    def _failed(self, error: KafkaError) -> DriftwardenError:
        if isinstance(error, MessageSizeTooLargeError):
            return TooLarge(f"Kafka at {self._config.bootstrap_servers}, topic {self._topic!r}: {error}")
        # The order and the sequence numbers of a producer that failed are not worth mending: the next one starts anew.
        self.close()
        return translated(error, self._config)


def _options(config: KafkaConfig, largest: int, partitioner: DefaultPartitioner) -> dict[str, Any]:
    delivery_ms = int(config.delivery_timeout_s * 1_000)
    return {
        "acks": "all",
        "enable_idempotence": True,
        "compression_type": "lz4",
        "linger_ms": LINGER_MS,
        "batch_size": BATCH_BYTES,
        "max_request_size": largest,
        "max_block_ms": int(config.connect_timeout_s * 1_000),
        "request_timeout_ms": min(REQUEST_TIMEOUT_MS, delivery_ms // 2),
        "delivery_timeout_ms": delivery_ms,
        "allow_auto_create_topics": False,
        "partitioner": partitioner,
        "metrics_enabled": False,  # nobody reads them, and each request would pay for them
    }
