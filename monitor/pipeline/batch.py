"""From records to one committed unit: decode → score → summarise → store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from monitor.codec import Limits, decode_batch
from monitor.errors import Repeated, Stale, Transient, Unstorable
from monitor.events import BatchScored, BatchStored
from monitor.model.baseline import Baseline
from monitor.model.decoded import Decoded
from monitor.model.record import Partition, Progress, Record, Reject
from monitor.model.scored import PaneSum, Scored, Unit
from monitor.ports import Clock, Emit, Key, TraceStore


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
        rejects: Sequence[Reject]
        decoded, rejects = decode_batch(records, now, self.limits)
        fresh, repeats = first_of_each(decoded)
        decoded_at = perf_counter()
        scored = self.score(fresh)
        self.emit(BatchScored(dict(scored.cost_s), scored.statuses()))
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
            except Repeated as error:
                scored, repeats = self.without_known(scored, repeats, error)
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

    def without_known(
        self, scored: Scored, repeats: Counter[Partition], error: Repeated
    ) -> tuple[Scored, Counter[Partition]]:
        """The batch less the traces that are stored already."""
        known = self.store.known([item.trace.key for item in scored.traces])
        if not known:
            raise Transient(str(error)) from error
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
