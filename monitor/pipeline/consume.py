"""The consume loop: source → pipeline → store, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from time import perf_counter

from monitor.errors import Fenced, OffsetsExpired, Transient
from monitor.events import Away, Back, OffsetsLost, OwnershipLost, PartitionsPlaced
from monitor.pipeline.batch import Pipeline
from monitor.ports import Clock, DeadLetters, Source, TraceStore

POLL_S = 0.25
SEEN_EVERY = timedelta(seconds=2)

# A span around a batch, given the headers of its records.
Span = Callable[[Sequence[Mapping[str, bytes]]], AbstractContextManager[None]]


def no_span(_headers: Sequence[Mapping[str, bytes]]) -> AbstractContextManager[None]:
    return nullcontext()


def consume(
    source: Source,
    store: TraceStore,
    pipeline: Pipeline,
    dead_letters: DeadLetters,
    stopped: Callable[[], bool],
    *,
    span: Span = no_span,
) -> None:
    """Reads until stopped. Whatever goes wrong, the store says where to go on."""
    emit, clock = pipeline.emit, pipeline.clock
    looked_at = polled_at = seen_at = clock()
    rejects_wait, failures = True, 0
    while not stopped():
        try:
            place(source, store, pipeline)
            # What a poll tells of a quiet partition was asked for in the poll before it.
            looked_at, polled_at = polled_at, clock()
            records = source.poll(POLL_S)
            if records:
                progress = source.progress(records)
                with span([record.headers for record in records]):
                    outcome = pipeline.ingest(records, progress)
                source.stored(progress)
                rejects_wait = rejects_wait or bool(outcome.rejects)
            if clock() - seen_at >= SEEN_EVERY:
                seen_at = clock()
                store.seen(source.idle(), looked_at)
            if rejects_wait:
                rejects_wait = forward(store, dead_letters, clock)
            if failures:
                failures = 0
                emit(Back("store"))
        except Fenced as lost:
            emit(OwnershipLost(str(lost)))
            source.rewind()
        except OffsetsExpired as gap:
            emit(OffsetsLost(f"{gap.partition.topic}/{gap.partition.number}", gap.expected, gap.earliest))
            store.skip_gap(gap.partition, gap.expected, gap.earliest, clock())
            source.rewind()
        except Transient as error:
            failures += 1
            wait_s = min(0.5 * 2 ** min(failures, 5), 10.0)
            emit(Away("store", str(error), wait_s))
            source.rewind()
            keep_membership(source, wait_s, stopped)


def place(source: Source, store: TraceStore, pipeline: Pipeline) -> None:
    """Tells partitions that came to us where to go on reading."""
    unplaced = source.unplaced()
    if not unplaced:
        return
    positions = store.positions({partition: source.beginning(partition) for partition in unplaced})
    source.place(positions)
    pipeline.emit(PartitionsPlaced({f"{p.topic}/{p.number}": offset for p, offset in positions.items()}))


def forward(store: TraceStore, dead_letters: DeadLetters, clock: Clock) -> bool:
    """Sends waiting rejects to the dead-letter topic, after the table has them; true while more may wait."""
    waiting = store.waiting_rejects(100)
    if not waiting:
        return False
    dead_letters.send([stored.reject for stored in waiting])
    store.forwarded([stored.id for stored in waiting], clock())
    return True


def keep_membership(source: Source, wait_s: float, stopped: Callable[[], bool]) -> None:
    """Waits while polling: partitions are unplaced and give nothing, but the group sees us alive."""
    until = perf_counter() + wait_s
    while perf_counter() < until and not stopped():
        source.poll(min(POLL_S, max(until - perf_counter(), 0.01)))
