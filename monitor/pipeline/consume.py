"""The consume loop: source → pipeline → store, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from time import perf_counter

from monitor.errors import Fenced, OffsetsExpired, Transient
from monitor.events import Away, Back, OffsetsLost, OwnershipLost, PartitionsPlaced
from monitor.model.record import Record
from monitor.pipeline.batch import Pipeline
from monitor.pipeline.forwarding import Forwarding
from monitor.ports import DeadLetters, Source, TraceStore

POLL_S = 0.25
SEEN_EVERY = timedelta(seconds=2)
STORE = "database or broker"

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
    forwarding = Forwarding(store, dead_letters, clock=clock, emit=emit)
    looked_at = polled_at = seen_at = clock()
    failures = 0
    while not stopped():
        try:
            place(source, store, pipeline)
            # What a poll tells of a quiet partition was asked for in the poll before it.
            looked_at, polled_at = polled_at, clock()
            records = polled(source, store, pipeline)
            if records:
                progress = source.progress(records)
                with span([record.headers for record in records]):
                    outcome = pipeline.ingest(records, progress)
                source.stored(progress)
                if outcome.rejects:
                    forwarding.note()
            if clock() - seen_at >= SEEN_EVERY:
                seen_at = clock()
                store.seen(source.idle(), looked_at)
            forwarding.run()
            if failures:
                failures = 0
                emit(Back(STORE))
        except Fenced as lost:
            emit(OwnershipLost(str(lost)))
            source.rewind()
        except Transient as error:
            failures += 1
            wait_s = min(0.5 * 2 ** min(failures, 5), 10.0)
            emit(Away(STORE, str(error), wait_s))
            source.rewind()
            keep_membership(source, wait_s, stopped)


def polled(source: Source, store: TraceStore, pipeline: Pipeline) -> Sequence[Record]:
    """The next records; where the log has dropped some that were never read, the gap is recorded and passed."""
    try:
        return source.poll(POLL_S)
    except OffsetsExpired as gap:
        where = f"{gap.partition.topic}/{gap.partition.number}"
        pipeline.emit(OffsetsLost(where, gap.expected, gap.earliest))
        store.skip_gap(gap.partition, gap.expected, gap.earliest, pipeline.clock())
        source.rewind()
        return ()


def place(source: Source, store: TraceStore, pipeline: Pipeline) -> None:
    """Tells partitions that came to us where to go on reading."""
    unplaced = source.unplaced()
    if not unplaced:
        return
    positions = store.positions({partition: source.beginning(partition) for partition in unplaced})
    source.place(positions)
    pipeline.emit(PartitionsPlaced({f"{p.topic}/{p.number}": offset for p, offset in positions.items()}))


def keep_membership(source: Source, wait_s: float, stopped: Callable[[], bool]) -> None:
    """Waits while polling: partitions are unplaced and give nothing, but the group sees us alive."""
    until = perf_counter() + wait_s
    while perf_counter() < until and not stopped():
        source.poll(min(POLL_S, max(until - perf_counter(), 0.01)))
