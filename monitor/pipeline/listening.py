"""Feedback from its topic: source → decode → store, with the offsets in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from monitor.codec import decode_opinions
from monitor.errors import Fenced, OffsetsExpired, Transient
from monitor.events import Away, Back, FeedbackStored, OffsetsLost, OwnershipLost
from monitor.model.record import Progress
from monitor.pipeline.consume import POLL_S, keep_membership
from monitor.ports import Clock, Emit, FeedbackStore, Source

STORE = "database or broker of feedback"


def listen(source: Source, store: FeedbackStore, *, clock: Clock, emit: Emit, stopped: Callable[[], bool]) -> None:
    """Reads until stopped. Whatever goes wrong, the store says where to go on."""
    failures = 0
    while not stopped():
        try:
            turn(source, store, clock=clock, emit=emit)
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


def turn(source: Source, store: FeedbackStore, *, clock: Clock, emit: Emit) -> None:
    """Places what came to us, and stores the next records. Raises Fenced or Transient."""
    unplaced = source.unplaced()
    if unplaced:
        source.place(store.positions({partition: source.beginning(partition) for partition in unplaced}))
    try:
        records = source.poll(POLL_S)
    except OffsetsExpired as gap:
        emit(OffsetsLost(f"{gap.partition.topic}/{gap.partition.number}", gap.expected, gap.earliest))
        store.add([], clock(), progress=[Progress(gap.partition, gap.expected, gap.earliest, gap.earliest)])
        source.rewind()
        return
    if records:
        now = clock()
        opinions, rejects = decode_opinions(records, now)
        progress = source.progress(records)
        new = store.add(opinions, now, rejects=rejects, progress=progress)
        source.stored(progress)
        emit(FeedbackStored(new, len(opinions) - new, Counter(reject.reason for reject in rejects)))
