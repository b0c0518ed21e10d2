"""The thread that sends traces and feedback to the broker: the worker's and the tap's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, TypeVar

from monitor.kafka.config import KafkaConfig
from monitor.model.metric import Metric
from monitor.ports import Emit, Sink
from monitor.worker import Channel, Outgoing, Publisher, Spool

T = TypeVar("T")

# A broker that does not answer within these has its traces waiting elsewhere.
CONNECT_S = 2.0
DELIVERY_S = 5.0


class Waiting(Protocol):
    """How traces wait, as the settings of the worker and of the tap say."""

    @property
    def trace_queue(self) -> int: ...
    @property
    def trace_delay_s(self) -> float: ...
    @property
    def spool(self) -> Path | None: ...
    @property
    def spool_bytes(self) -> int: ...


def sinks_of(kafka: KafkaConfig | None) -> Mapping[Channel, Sink] | None:
    """Where traces and feedback go; None where there is no broker."""
    if kafka is None:
        return None
    from monitor.kafka.gathered import Gathered
    from monitor.kafka.sink import KafkaSink

    config = replace(
        kafka,
        connect_timeout_s=min(kafka.connect_timeout_s, CONNECT_S),
        delivery_timeout_s=min(kafka.delivery_timeout_s, DELIVERY_S),
    )
    return {
        # A trace is known again by tenant, id and time wherever it is; what people said of one answer keeps its order.
        "traces": KafkaSink(config, config.topic, gathered=Gathered()),
        "feedback": KafkaSink(config, config.feedback_topic),
    }


def publisher_of(
    wanted: Waiting, sinks: Mapping[Channel, Sink], encode: Callable[[T], Outgoing], emit: Emit
) -> Publisher[T | Outgoing]:
    """What sends traces, made by ``encode``, and feedback as it is."""

    def made(item: T | Outgoing) -> Outgoing:
        return item if isinstance(item, Outgoing) else encode(item)

    return Publisher(
        sinks,
        made,
        most=wanted.trace_queue,
        spool=Spool(wanted.spool, wanted.spool_bytes) if wanted.spool is not None else None,
        timer=perf_counter,
        emit=emit,
        gather_s=wanted.trace_delay_s,
    )


def put_feedback(publisher: Publisher[Any], key: str, body: bytes) -> None:
    publisher.put(Outgoing("feedback", key.encode(), body, {"content-type": b"application/json"}))


@contextmanager
def sent_by(publisher: Publisher[Any]) -> Iterator[None]:
    """Its thread while the block lasts; at the end what is left gets one more attempt."""
    sending = threading.Thread(target=publisher.run, name="traces")
    sending.start()
    try:
        yield
    finally:
        publisher.stop()
        sending.join()


def fates_of(name: str, publisher: Publisher[Any] | None) -> Metric:
    """What became of traces and feedback, as a counter."""
    fates = {} if publisher is None else publisher.fates
    samples = [((fate,), float(count)) for fate, count in sorted(fates.items())]
    about = "Traces and feedback by what became of them: taken, published, dropped, spooled, refused."
    return Metric(name, "counter", about, ("fate",), samples)
