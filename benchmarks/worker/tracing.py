"""What one trace costs: the thread that answers, and the thread that publishes."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import perf_counter

from benchmarks.worker.model import SHAPE, scheduler
from monitor.inference.decoder.decoder import Decoder
from monitor.model.exchange import Context, Exchange
from monitor.model.generation import Ask, Job
from monitor.model.trace import (
    Document,
    InputMessage,
    Model,
    Part,
    PromptTemplate,
    RequestOptions,
    Service,
    Tokenization,
)
from monitor.ports import Sink
from monitor.testing.sources import MemorySink
from monitor.worker import Channel, Origin, Outgoing, Publisher, encoded

NOW = datetime(2026, 5, 1, tzinfo=UTC)
PASSAGE = "Refunds take five days and go to the card that was used. " * 8


def answered(model: Decoder, tokens: int) -> Job:
    line = scheduler(model, 1)
    job = line.submit(Ask(prompt=list(range(60)), most_tokens=tokens, temperature=0.0), None)
    assert job is not None
    while line.rows or line.waiting:
        line.turn()
    return job


def exchange(job: Job, number: int = 0) -> Exchange:
    return Exchange(
        id=f"chatcmpl-0123456789abcdef{number:016x}", operation="chat", at=NOW, ended_at=NOW, requested="bot",
        options=RequestOptions(temperature=1.0, top_p=1.0, n=1, stream=False),
        messages=[InputMessage("user", [Part(content="How long do refunds take?")])], prompt_text=None,
        context=Context("ab" * 16, "cd" * 8), job=job,
        documents=[Document(str(place), PASSAGE, rank=place) for place in range(3)],
    )  # fmt: skip


def origin() -> Origin:
    return Origin(
        Model(name="bot", revision="ab" * 32, precision="fp32"), Service("worker"), PromptTemplate("chat"),
        Tokenization("t", SHAPE.vocabulary), ["x"] * SHAPE.vocabulary,
    )  # fmt: skip


def per_trace(model: Decoder, *, tokens: int, repeats: int) -> dict[str, float]:
    """Microseconds per trace: on the answering thread, to make the record, and of the whole publishing thread."""
    job = answered(model, tokens)
    source = origin()
    sink = MemorySink()

    def encode(item: Exchange) -> Outgoing:
        return encoded(item, source)

    publisher: Publisher[Exchange] = Publisher(
        {"traces": sink, "feedback": sink}, encode, most=repeats, spool=None, timer=perf_counter, emit=lambda _: None
    )
    job.settle()

    def put() -> None:
        made = exchange(job)
        job.when_settled(lambda: publisher.put(made))

    putting = cpu_us(put, repeats)
    began = time.thread_time()
    publisher.turn()
    publishing = (time.thread_time() - began) / repeats * 1e6
    made = exchange(job)
    return {
        "answering thread": putting,
        "making the record": cpu_us(lambda: encoded(made, source), repeats),
        "publishing thread without the client": publishing,
        "bytes": float(len(encoded(made, source).value)),
    }


def published_us(model: Decoder, sinks: Mapping[Channel, Sink], *, tokens: int, rate: float, seconds: float) -> float:
    """Microseconds of CPU of the whole process per trace that goes to a broker at so many a second."""
    job = answered(model, tokens)
    job.settle()
    source = origin()
    numbers = itertools.count()

    def made() -> Exchange:
        return exchange(job, next(numbers))

    def encode(item: Exchange) -> Outgoing:
        return encoded(item, source)

    publisher: Publisher[Exchange] = Publisher(
        sinks, encode, most=10_000, spool=None, timer=perf_counter, emit=lambda _event: None
    )
    thread = threading.Thread(target=publisher.run)
    thread.start()
    publisher.put(made())
    while not publisher.fates["published"]:
        time.sleep(0.01)
    count = int(rate * seconds)

    def paced(action: Callable[[], object]) -> float:
        began = time.process_time()
        for _ in range(count):
            action()
            time.sleep(1 / rate)
        time.sleep(2.5)  # until the last of them is sent
        return time.process_time() - began

    idle, busy = paced(made), paced(lambda: publisher.put(made()))
    publisher.stop()
    thread.join()
    return (busy - idle) / count * 1e6


def cpu_us(action: Callable[[], object], repeats: int) -> float:
    """Microseconds of CPU of one of many."""
    began = time.thread_time()
    for _ in range(repeats):
        action()
    return (time.thread_time() - began) / repeats * 1e6
