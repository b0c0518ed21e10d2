"""The producer's side: records, and the records that could not become traces."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monitor.errors import DriftwardenError
from monitor.kafka.config import MIB, KafkaConfig
from monitor.kafka.gathered import Gathered
from monitor.kafka.producer import Letter, Producer, TooLarge
from monitor.kafka.topics import LARGEST_DEAD_LETTER, LARGEST_RECORD
from monitor.model.record import Reject

BUFFER_BYTES = 32 * MIB
CUT_VALUE_BYTES = 256 * 1024
CUT_HEADER_BYTES = 64 * 1024
MESSAGE_CHARACTERS = 2_000


class KafkaSink:
    """Publishes records to one topic: those of one key to one partition, or with ``gathered`` those of one flush."""

    def __init__(self, config: KafkaConfig, topic: str, *, gathered: Gathered | None = None) -> None:
        self._producer = Producer(config, topic, largest=LARGEST_RECORD, partitioner=gathered)
        self._gathered = gathered
        self._unsettled: deque[tuple[Any, int]] = deque()
        self._unsettled_bytes = 0

    def send(self, key: bytes | None, value: bytes, headers: Mapping[str, bytes]) -> None:
        """Queue one record; waits for older ones while 32 MiB are on their way.

        Raises:
            Transient: the broker does not take it in time; records since the last flush may or may not be there.
            Permanent: a record is too large, or the broker refuses us.
        """
        letter = Letter(key, value, headers)
        size = letter.size
        while self._unsettled and self._unsettled_bytes + size > BUFFER_BYTES:
            self._settle_oldest()
        self._unsettled.append((self._producer.post(letter), size))
        self._unsettled_bytes += size

    def flush(self) -> None:
        """Return when all that was sent is acknowledged.

        Raises:
            Transient: not in time; records since the last flush may or may not be there.
            Permanent: a record is too large, or the broker refuses us.
        """
        if not self._unsettled:
            return
        if self._gathered is not None:
            self._gathered.turn()
        try:
            self._producer.flush()
        except DriftwardenError:
            self.close()
            raise
        while self._unsettled:
            self._settle_oldest()

    def close(self) -> None:
        """Let go of the broker; what was not flushed may be lost. A later record connects again."""
        self._unsettled.clear()
        self._unsettled_bytes = 0
        self._producer.close()

    def _settle_oldest(self) -> None:
        receipt, size = self._unsettled.popleft()
        self._unsettled_bytes -= size
        try:
            self._producer.wait(receipt)
        except DriftwardenError:
            self.close()
            raise


class KafkaDeadLetters:
    """Publishes rejects as they came, with the reason and the place they came from in the headers.

    A record that the broker takes only without its reason is cut and marked ``truncated``; the store has the whole.
    """

    def __init__(self, config: KafkaConfig) -> None:
        self._producer = Producer(config, config.dead_letter_topic, largest=LARGEST_DEAD_LETTER)

    def send(self, rejects: Sequence[Reject]) -> None:
        """Publish and wait for the acknowledgement.

        Raises:
            Transient: the broker does not take them in time; some may be there.
            Permanent: the broker refuses us.
        """
        for letters in _portions(rejects):
            for letter in self._refused(letters):
                self._send_alone(letter)

    def close(self) -> None:
        self._producer.close()

    def _refused(self, letters: Sequence[Letter]) -> Sequence[Letter]:
        """Publish; those that were refused for the size of one of them."""
        refused, waiting = [], []
        for letter in letters:
            try:
                waiting.append((letter, self._producer.post(letter)))
            except TooLarge:
                refused.append(letter)
        self._producer.flush()
        for letter, receipt in waiting:
            try:
                self._producer.wait(receipt)
            except TooLarge:
                refused.append(letter)
        return refused

    def _send_alone(self, letter: Letter) -> None:
        # A producer that was told "too large" once says so of every later record, hence a new one each time.
        self._producer.close()
        try:
            self._post_alone(letter)
        except TooLarge:
            self._producer.close()
            self._post_alone(cut(letter))

    def _post_alone(self, letter: Letter) -> None:
        receipt = self._producer.post(letter)
        self._producer.flush()
        self._producer.wait(receipt)


def dead_letter(reject: Reject) -> Letter:
    """The record as it came; of its own headers those that bear our names give way."""
    record = reject.record
    ours = {
        "error.type": reject.reason.encode(),
        "error.message": reject.message[:MESSAGE_CHARACTERS].encode(errors="replace"),
        "source.topic": record.partition.topic.encode(),
        "source.partition": str(record.partition.number).encode(),
        "source.offset": str(record.offset).encode(),
    }
    return Letter(record.key, record.value, {**ours, **{n: v for n, v in record.headers.items() if n not in ours}})


def cut(letter: Letter) -> Letter:
    """The first 256 KiB of the value, and headers while they fit into 64 KiB: ours come first."""
    headers: dict[str, bytes] = {"truncated": b"true"}
    room = CUT_HEADER_BYTES
    for name, content in letter.headers.items():
        room -= len(name.encode()) + len(content)
        if room >= 0:
            headers.setdefault(name, content)
    key = letter.key if letter.key is not None and len(letter.key) <= CUT_HEADER_BYTES else None
    return Letter(key, letter.value[:CUT_VALUE_BYTES], headers)


def _portions(rejects: Sequence[Reject]) -> Iterator[Sequence[Letter]]:
    """Letters in portions that may be in flight at once."""
    portion: list[Letter] = []
    size = 0
    for letter in map(dead_letter, rejects):
        if portion and size + letter.size > BUFFER_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(letter)
        size += letter.size
    if portion:
        yield portion
