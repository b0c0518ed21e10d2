"""The consume loop: source → decode → score → summarise → store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Protocol

from monitor.codec import Limits, decode_batch
from monitor.errors import Fenced, OffsetsExpired, Repeated, Stale, Transient, Unstorable
from monitor.events import Away, Back, BatchStored, OffsetsLost, OwnershipLost, PartitionsPlaced
from monitor.model.baseline import Baseline
from monitor.model.decoded import Decoded
from monitor.model.record import Partition, Progress, Record, Reject
from monitor.model.scored import PaneSum, Scored, Unit
from monitor.ports import Clock, DeadLetters, Emit, Key, Source, TraceStore

POLL_S = 0.25
SEEN_EVERY = timedelta(seconds=2)


class Score(Protocol):
    def __call__(self, traces: Sequence[Decoded], /) -> Scored: ...


class AddUp(Protocol):
    def __call__(self, scored: Scored, baseline: Baseline, /) -> Sequence[PaneSum]: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch: traces stored, repeats passed over, rejects kept."""

    traces: int
    repeats: int
    rejects: Sequence[Reject]


class Pipeline:
    """Turns records into one committed unit. The baseline is the one piece of state, and the store knows it better."""

    def __init__(
        self, store: TraceStore, score: Score, add_up: AddUp, *, clock: Clock, limits: Limits, emit: Emit
    ) -> None:
        self.store, self.score, self.add_up = store, score, add_up
        self.clock, self.limits, self.emit = clock, limits, emit
        self.baseline = store.baseline()

    def ingest(self, records: Sequence[Record], progress: Sequence[Progress]) -> Stored:
        """Stores a batch and its offsets in one transaction. Raises Fenced or Transient, and then nothing is stored."""
        now = self.clock()
        started = perf_counter()
        decoded, rejects = decode_batch(records, now, self.limits)
        fresh, repeats = first_of_each(decoded)
        decoded_at = perf_counter()
        scored = self.score(fresh)
        scored_at = perf_counter()
        summing = 0.0
        while True:
            adding = perf_counter()
            sums = self.add_up(scored, self.baseline) if self.baseline else ()
            summing += perf_counter() - adding
            version = self.baseline.version if self.baseline else 0
            try:
                self.store.commit(Unit(progress, scored, rejects, repeats, sums, version, now))
                break
            except Stale:
                self.baseline = self.store.baseline()
            except Repeated:
                scored, repeats = self.without_known(scored, repeats)
            except Unstorable as error:
                scored, rejects = self.without_unstorable(scored, rejects, error)
        done = perf_counter()
        seconds = {
            "decode": decoded_at - started,
            "score": scored_at - decoded_at,
            "summarise": summing,
            "store": done - scored_at - summing,
        }
        total = sum(repeats.values())
        self.emit(BatchStored(len(scored), total, Counter(reject.reason for reject in rejects), seconds))
        return Stored(len(scored), total, rejects)

    def without_known(self, scored: Scored, repeats: Counter[Partition]) -> tuple[Scored, Counter[Partition]]:
        """The batch less the traces that are stored already."""
        known = self.store.known([item.trace.key for item in scored.traces])
        return split(scored, repeats, known)

    def without_unstorable(
        self, scored: Scored, rejects: Sequence[Reject], error: Unstorable
    ) -> tuple[Scored, Sequence[Reject]]:
        """The batch less the traces that the database will not take, which become rejects with its words."""
        refused = self.store.unstorable(scored, self.clock())
        if not refused:
            raise Transient(str(error)) from error
        more = [Reject(scored.traces[i].record, "unstorable", reason) for i, reason in refused.items()]
        return scored.at([i for i in range(len(scored)) if i not in refused]), [*rejects, *more]


def first_of_each(decoded: Sequence[Decoded]) -> tuple[list[Decoded], Counter[Partition]]:
    """The first of each trace in a batch, and how many repeats each partition brought."""
    kept: dict[Key, Decoded] = {}
    repeats: Counter[Partition] = Counter()
    for item in decoded:
        if kept.setdefault(item.trace.key, item) is not item:
            repeats[item.record.partition] += 1
    return list(kept.values()), repeats


def split(scored: Scored, repeats: Counter[Partition], known: set[Key]) -> tuple[Scored, Counter[Partition]]:
    """The batch without the known traces, which count as repeats."""
    fresh = [i for i, item in enumerate(scored.traces) if item.trace.key not in known]
    again = Counter(item.record.partition for item in scored.traces if item.trace.key in known)
    return scored.at(fresh), repeats + again


def consume(source: Source, store: TraceStore, pipeline: Pipeline, dead_letters: DeadLetters,
            stopped: Callable[[], bool]) -> None:  # fmt: skip
    """Reads until stopped. Whatever goes wrong, the store says where to go on."""
    emit, clock = pipeline.emit, pipeline.clock
    seen_at, rejects_wait, failures = clock(), True, 0
    while not stopped():
        try:
            place(source, store, pipeline)
            records = source.poll(POLL_S)
            if records:
                progress = source.progress(records)
                outcome = pipeline.ingest(records, progress)
                source.stored(progress)
                rejects_wait = rejects_wait or bool(outcome.rejects)
            if clock() - seen_at >= SEEN_EVERY:
                seen_at = clock()
                store.seen(source.idle(), seen_at)
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
    """Sends waiting rejects to the dead-letter topic; true while more wait. The table is what counts: it comes first."""
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
