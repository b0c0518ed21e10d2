"""What the use cases ask of the world; each port has a real edge, a fake in ``monitor.testing`` and one suite."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.base import Sum
from detectors.calibration import Calibration
from detectors.score import Score
from monitor.events import Event
from monitor.model.alert import Alert, Change, Message, Outcome
from monitor.model.baseline import Baseline
from monitor.model.check import CheckRequest, Decision
from monitor.model.feedback import Certificate, Fitted, Labelled, Opinion
from monitor.model.record import Gap, Partition, PartitionState, Progress, Record, Reject, StoredReject
from monitor.model.scored import PaneSum, Scored, Unit
from monitor.model.segment import Segment
from monitor.model.trace import Trace
from monitor.model.verdict import Verdict
from monitor.watch import Watch

Key = tuple[str, str, datetime]
Clock = Callable[[], datetime]
# Seconds that only grow, from any beginning.
Seconds = Callable[[], float]
Emit = Callable[[Event], None]
# What becomes of open alerts.
Settle = Callable[[Sequence[Alert]], Sequence[Change]]
# A guard, in this process or behind an address.
Check = Callable[[CheckRequest], Decision]


class Embedder(Protocol):
    """A sentence encoder. ``encode`` gives ``(n, dimension)`` float32 of unit rows."""

    @property
    def name(self) -> str: ...
    @property
    def dimension(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


class Source(Protocol):
    """A log of records in partitions. A partition is *unplaced* until it is told where to read from."""

    def unplaced(self) -> Sequence[Partition]: ...
    def place(self, positions: Mapping[Partition, int]) -> None:
        """Read these partitions from these offsets on; those not assigned any more are passed over."""

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """The next records of placed partitions, bounded in number and bytes; keeps the membership alive."""

    def progress(self, records: Sequence[Record]) -> Sequence[Progress]:
        """What storing the records just polled amounts to."""

    def stored(self, progress: Sequence[Progress]) -> None:
        """The progress is safe in the store; lag tools may be told."""

    def rewind(self) -> None:
        """Forget what was polled: every assigned partition is unplaced again, and nothing is read till it is placed."""

    def idle(self) -> Sequence[Progress]:
        """Position and end of every placed partition, for the watermark."""

    def beginning(self, partition: Partition) -> int:
        """The first offset the log still holds."""

    def close(self) -> None: ...


class Sink(Protocol):
    """Where records are published."""

    def send(self, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> None:
        """Queue one record; raises Transient where the broker does not take it in time."""

    def flush(self) -> None:
        """Return when all that was sent is acknowledged; raises Transient otherwise."""

    def close(self) -> None: ...


class DeadLetters(Protocol):
    def send(self, rejects: Sequence[Reject]) -> None:
        """Publish and wait for the acknowledgement; raises Transient."""


class TraceStore(Protocol):
    """The consumer's side of the store."""

    def positions(self, partitions: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """Where each partition is to be read from; one never seen starts at the given offset."""

    def baseline(self) -> Baseline | None:
        """The baseline in force."""

    def commit(self, unit: Unit) -> None:
        """Store all of the unit or nothing. Raises Fenced, Stale, Repeated, Unstorable or Transient."""

    def known(self, keys: Sequence[Key]) -> set[Key]:
        """Those of the traces that are stored already."""

    def unstorable(self, scored: Scored, received_at: datetime) -> Mapping[int, str]:
        """The places of traces the store will never take, with what it says of them."""

    def skip_gap(self, partition: Partition, expected: int, earliest: int, at: datetime) -> None:
        """Record that the log dropped unread records, and go on behind them."""

    def seen(self, progress: Sequence[Progress], at: datetime) -> None:
        """Partitions were looked at and stand thus: an idle partition must not hold the watermark back."""

    def waiting_rejects(self, limit: int) -> Sequence[StoredReject]:
        """Rejects that the dead-letter topic has not got yet, oldest first."""

    def forwarded(self, ids: Sequence[int], at: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class Claim:
    """A watch under lock with the sums of panes not judged yet: ``panes`` maps starts to sums, all added up."""

    watch: Watch
    panes: Mapping[datetime, Sum]


class WatchStore(Protocol):
    """The judge's side of the store."""

    def partitions(self) -> Sequence[PartitionState]: ...
    def baseline(self) -> Baseline | None: ...
    def ready(self, baseline: Baseline, closed: datetime) -> Sequence[Segment]:
        """Segments with panes that start before ``closed`` and are not judged; all traffic first."""

    def claim(self, baseline: Baseline, segment: Segment, closed: datetime) -> AbstractContextManager[Claim | None]:
        """A segment's watch, locked till the end of the block; None where another judge has it or nothing is due."""

    def parts(self, baseline: Baseline, since: datetime, until: datetime) -> Mapping[Segment, Sum]:
        """The sums of every segment over panes that start from ``since`` to before ``until``, judged or not."""

    def lagged(self, baseline: Baseline) -> Sequence[Baseline]:
        """The lagged references of a baseline that are in use: it, with other references and their time."""

    def add_lagged(self, lagged: Baseline) -> None:
        """Keep one that is judged from a day on; where that day has one already, the first stays."""

    def judged(self, baseline: Baseline) -> Iterator[tuple[Segment, Mapping[datetime, Sum]]]:
        """The judged panes of each segment that are kept, by start: old ones added up to hours and days."""

    def roll_up(self, now: datetime) -> int:
        """Add up some panes of one segment that are old enough (``monitor.model.grid``), by the clock and by what was
        judged; how many, 0 when none is left. One transaction: no sum changes, whenever it ends."""

    def sample(self, segment: Segment, spans: Sequence[tuple[datetime, datetime]], limit: int) -> Scored:
        """At most ``limit`` stored traces of a segment from spans of time, each from its start to before its stop.

        Those with the smallest MD5 of their id, by event time: whoever asks again gets the same.
        """

    def alert(self, labels: Mapping[str, str]) -> Alert | None:
        """The open alert with these labels."""

    def canary_alerts(self, since: datetime, *, over: datetime) -> Sequence[Alert]:
        """The alerts of canaries that people have been told of since then; none is added before the claim ends.

        Those that were over before ``over`` are left out, unless they were accepted.
        """

    def record(self, claim: Claim, watch: Watch, verdicts: Sequence[Verdict], changes: Sequence[Change]) -> None:
        """Within the claim's transaction: panes judged, verdicts, alert transitions and outbox rows."""


@dataclass(frozen=True, slots=True)
class IngestTurn:
    """The state of reading, under lock: gaps nobody was told of, and what is open about it."""

    partitions: Sequence[PartitionState]
    gaps: Sequence[Gap]
    stalled: Alert | None
    acknowledged_gaps: Sequence[Alert]


class IngestStore(Protocol):
    """What is known of reading, for alerts about it."""

    def turn(self) -> AbstractContextManager[IngestTurn | None]:
        """The state, held till the end of the block; None while another process has it."""

    def tell(self, turn: IngestTurn, changes: Sequence[Change]) -> None:
        """Within the turn: alert transitions, their messages, and the turn's gaps as told."""


class BaselineStore(Protocol):
    """Where baselines are learned from and kept."""

    def baseline(self) -> Baseline | None: ...
    def history(self, *, where: Mapping[str, Any], limit: int) -> Scored:
        """Stored traces by event time, oldest first; ``where`` may hold build, since, after and until."""

    def count(self, *, after: datetime | None = None) -> int:
        """Traces stored so far, of those after an instant of event time if one is given."""

    def space_since(self, space: str) -> datetime | None:
        """The event time up to which stored traces carry embeddings of another space; None where none do."""

    def partitions(self) -> Sequence[PartitionState]: ...
    def activate(self, baseline: Baseline, add_up: Callable[[Scored, Baseline], Sequence[PaneSum]]) -> Baseline:
        """Put a baseline in force: one transaction that also adds up the traces stored after ``judged_from``."""

    def succeed(self, baseline: Baseline, anew: Mapping[Segment, Collection[str]], settle: Settle) -> Baseline:
        """Put a baseline in force in place of the one whose version and feature maps it has, in one transaction.

        Sums and watches go on, but those of the signals ``anew`` by segment start afresh. ``settle`` says what becomes
        of the open drift alerts. Raises Transient where another baseline came in between.
        """

    def open_drifts(self) -> Sequence[Alert]:
        """Drift alerts that are not resolved, the oldest first."""

    def start_of_last(self, traces: int) -> datetime | None:
        """The event time of the first of so many newest traces; None where there are no more than these."""


class FeedbackStore(Protocol):
    """What people said of answers, and what was made of it."""

    def positions(self, partitions: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """Where each partition of the topic of feedback is to be read from; one never seen starts as given."""

    def add(
        self,
        opinions: Sequence[Opinion],
        received_at: datetime,
        *,
        rejects: Sequence[Reject] = (),
        progress: Sequence[Progress] = (),
    ) -> int:
        """Store all or nothing; how many opinions are new. Raises Fenced where another reader moved an offset."""

    def labelled(self, *, since: datetime | None, until: datetime | None) -> Labelled:
        """Stored traces of which people said good or bad, by the last that was said."""

    def calibrated(self, found: Fitted, at: datetime) -> None:
        """Put a calibration in force."""

    def calibrations(self) -> Mapping[str, Calibration]:
        """Those in force, by score."""

    def certified(self, found: Certificate, at: datetime) -> int:
        """Keep a certificate; its number."""


class JudgedStore(Protocol):
    """Stored answers that a judge of answers looks at, and what it said."""

    def claim(
        self, now: datetime, *, since: timedelta, share: float, per_minute: int, limit: int
    ) -> Sequence[tuple[Key, Trace]]:
        """At most ``limit`` traces with context of the time since, the newest first, that no judge has claimed yet.

        Of all traces the same ``share``; together with all requests of the last minute no more than ``per_minute``.
        """

    def known(self, digests: Sequence[str]) -> dict[str, Score]:
        """What was said before to the same questions."""

    def settle(self, key: Key, score: Score, *, digest: str | None, requests: int) -> None:
        """Keep what was said of a claimed trace, and how many requests that took."""


class Outbox(Protocol):
    """Messages that wait for delivery, in order per endpoint and fingerprint."""

    def due(self, now: datetime, limit: int) -> AbstractContextManager[Sequence[Message]]:
        """Messages whose turn it is, held against other notifiers till the end of the block."""

    def settle(self, message: Message, outcome: Outcome, at: datetime, again_at: datetime | None) -> None:
        """Note one attempt; ``again_at`` None means there is no next one."""


class Sender(Protocol):
    """Delivers one message to one endpoint."""

    def send(self, message: Message, now: datetime) -> Outcome: ...


class Reader(Protocol):
    """Read-only queries over the public views; a row is a mapping of plain values."""

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]: ...
