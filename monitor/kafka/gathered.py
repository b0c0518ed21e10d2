"""Which partition records go to where it may be any."""

from __future__ import annotations

from typing import Any

from kafka.partitioner import DefaultPartitioner


class Gathered(DefaultPartitioner):  # type: ignore[misc]  # kafka-python has no types
    """All records until ``turn`` go to one partition, whatever their keys, and the next to one drawn anew.

    By their keys, the few records that wait together would go to all partitions: a batch each, and each batch costs
    more CPU than a record. Only partitions that have a leader are drawn.
    """

    def __init__(self) -> None:
        self._chosen: int | None = None

    def turn(self) -> None:
        self._chosen = None

    def partition(self, topic: str, _key: Any, _key_bytes: Any, value: Any, value_bytes: Any, cluster: Any) -> int:
        if self._chosen is None:
            self._chosen = super().partition(topic, None, None, value, value_bytes, cluster)
        return self._chosen
