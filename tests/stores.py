"""What tests of the stores share: traces by value, a small baseline, and both databases behind one set of questions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

import numpy as np
import pytest
import sqlalchemy as sa

from detectors.base import Sum
from detectors.reference import fit
from monitor.codec import Limits, decode_batch
from monitor.model.alert import Alert
from monitor.model.baseline import Baseline
from monitor.model.decoded import Decoded
from monitor.model.record import Partition, Progress, Record, Reject
from monitor.model.scored import PaneSum, Scored, Unit
from monitor.model.segment import Segment
from monitor.ports import BaselineStore, FeedbackStore, TraceStore, WatchStore
from monitor.scoring import Scorer, add_up
from monitor.storage.baselines import PostgresBaselineStore
from monitor.storage.engine import connect
from monitor.storage.feedback import PostgresFeedbackStore
from monitor.storage.migrate import migrate
from monitor.storage.traces import PostgresTraceStore
from monitor.storage.watches import PostgresWatchStore
from monitor.testing.baselines import MemoryBaselineStore
from monitor.testing.database import MemoryDatabase
from monitor.testing.feedback import MemoryFeedbackStore
from monitor.testing.stores import MemoryTraceStore, MemoryWatchStore

# Later than any clock of a machine: a database says `now()` of a partition that it has just met.
START = datetime(2090, 5, 1, 12, tzinfo=UTC)
PANE = timedelta(minutes=1)
FIRST, SECOND = Partition("llm.traces.v1", 0), Partition("llm.traces.v1", 1)
WATCHED = ((), ("build",), ("tenant",))
LIMITS = Limits(max_lead=timedelta(days=60))
# Fits no number of Postgres; the codec passes over fields it does not know.
UNSTORABLE = {"weight": "@1e200000@"}


def line(number: int, at: datetime = START, **fields: Any) -> bytes:
    """The record of trace ``t<number>``: 100 output tokens of build 1 for acme, unless told otherwise."""
    told = {
        "schema_version": "1.0",
        "id": f"t{number}",
        "time": at.isoformat(),
        "model": {"name": "bot", "version": fields.pop("version", "1")},
        "segment": {"tenant": fields.pop("tenant", "acme")},
        "prompt_text": fields.pop("prompt", f"What is {number}?"),
        "output_messages": [
            {"parts": [{"content": fields.pop("response", f"It is {number}.")}], "finish_reason": "stop"}
        ],
        "usage": {"output_tokens": fields.pop("tokens", 100)},
        **fields,
    }
    return json.dumps(told).replace('"@', "").replace('@"', "").encode()


def records(lines: Sequence[bytes], *, first: int = 0, partition: Partition = FIRST) -> list[Record]:
    return [Record(partition, first + i, value, {}) for i, value in enumerate(lines)]


def decoded(lines: Sequence[bytes], *, first: int = 0, partition: Partition = FIRST) -> list[Decoded]:
    found, rejects = decode_batch(records(lines, first=first, partition=partition), START, LIMITS)
    assert rejects == []
    return found


def scored(lines: Sequence[bytes], *, first: int = 0, partition: Partition = FIRST) -> Scored:
    return SCORER.score(decoded(lines, first=first, partition=partition))


SCORER = Scorer(embedder=None, name="none", dimension=2)
adding_up = partial(add_up, watched=WATCHED, pane=PANE, limit=100)


def unit(
    lines: Sequence[bytes],
    *,
    first: int = 0,
    partition: Partition = FIRST,
    baseline: Baseline | None = None,
    rejects: Sequence[Reject] = (),
    at: datetime = START,
) -> Unit:
    """The unit of these records, read from ``first`` on up to the end of the log."""
    batch = scored(lines, first=first, partition=partition)
    end = first + len(lines) + len(rejects)
    sums = adding_up(batch, baseline) if baseline else []
    version = baseline.version if baseline else 0
    return Unit([Progress(partition, first, end, end)], batch, rejects, {}, sums, version, at)


def small_baseline(*, judged_from: datetime = START) -> Baseline:
    """Of one signal and all traffic: a hundred answers of 50 to 149 tokens."""
    columns = {"response.tokens": np.arange(50.0, 150.0)}
    stack, references = fit(columns, {"response.tokens": "scalar"}, seed=0)
    since, until = judged_from - timedelta(hours=1), judged_from
    return Baseline(0, "none/2", stack, {Segment(): references}, "a test", 100, since, until, judged_from)


def no_sums(_scored: Scored, _baseline: Baseline) -> Sequence[PaneSum]:
    return []


def told(total: Sum) -> tuple[float, list[float]]:
    """A sum as plain values, for comparison."""
    return total.n, total.total.tolist()


class Stores(Protocol):
    """One empty database; each call of a store's name opens another one on it."""

    def traces(self) -> TraceStore: ...
    def watches(self, *endpoints: str) -> WatchStore: ...
    def baselines(self, *endpoints: str) -> BaselineStore: ...
    def feedback(self) -> FeedbackStore: ...
    def late(self, baseline: Baseline) -> dict[Segment, float]:
        """Late traces by segment."""

    def judged(self, baseline: Baseline) -> Mapping[Segment, Mapping[datetime, Sum]]: ...
    def verdicts(self) -> list[tuple[datetime, Segment, str, float, float, bool]]:
        """Pane, segment, signal, n, log e and whether it drifted, in order."""

    def alerts(self) -> list[Alert]:
        """In the order they fired."""

    def happenings(self) -> list[str]: ...
    def posted(self) -> list[tuple[str, str, str]]:
        """Happening, segment and endpoint of every message."""

    def counts(self, partition: Partition) -> tuple[int, int, int]:
        """Traces, repeats and rejects."""

    def gaps(self) -> list[tuple[Partition, int, int]]: ...


class InMemory:
    def __init__(self) -> None:
        self.database = MemoryDatabase(refuse=self.refuse)

    def refuse(self, item: Decoded) -> str | None:
        return "value overflows numeric format" if b"1e200000" in item.body else None

    def traces(self) -> MemoryTraceStore:
        return MemoryTraceStore(self.database)

    def watches(self, *endpoints: str) -> MemoryWatchStore:
        return MemoryWatchStore(self.database, endpoints=endpoints)

    def baselines(self, *endpoints: str) -> MemoryBaselineStore:
        return MemoryBaselineStore(self.database, endpoints=endpoints)

    def feedback(self) -> MemoryFeedbackStore:
        return MemoryFeedbackStore(self.database)

    def late(self, baseline: Baseline) -> dict[Segment, float]:
        return {segment: n for (version, segment), n in self.database.late.items() if version == baseline.version}

    def judged(self, baseline: Baseline) -> Mapping[Segment, Mapping[datetime, Sum]]:
        return dict(self.watches().judged(baseline))

    def verdicts(self) -> list[tuple[datetime, Segment, str, float, float, bool]]:
        return sorted((v.pane, v.segment, v.signal, v.n, v.log_e, v.drifted) for v in self.database.verdicts)

    def alerts(self) -> list[Alert]:
        return list(self.database.alerts.values())

    def happenings(self) -> list[str]:
        return [change.happening for change in self.database.changes]

    def posted(self) -> list[tuple[str, str, str]]:
        return [
            (change.happening, change.alert.labels["segment"], endpoint)
            for change, endpoints in self.database.posted
            for endpoint in sorted(endpoints)
        ]

    def counts(self, partition: Partition) -> tuple[int, int, int]:
        offset = self.database.offsets[partition]
        return offset.traces, offset.repeats, offset.rejects

    def gaps(self) -> list[tuple[Partition, int, int]]:
        return [gap[:3] for gap in self.database.gaps]


class InPostgres:
    def __init__(self, url: str) -> None:
        self.engine = connect(url)
        migrate(self.engine)

    def rows(self, sql: str, *values: object) -> Sequence[sa.Row[Any]]:
        with self.engine.connect() as connection:
            return connection.exec_driver_sql(sql, values).all()

    def traces(self) -> PostgresTraceStore:
        return PostgresTraceStore(self.engine)

    def watches(self, *endpoints: str) -> PostgresWatchStore:
        return PostgresWatchStore(self.engine, endpoints=endpoints)

    def baselines(self, *endpoints: str) -> PostgresBaselineStore:
        return PostgresBaselineStore(self.engine, endpoints=endpoints)

    def feedback(self) -> PostgresFeedbackStore:
        return PostgresFeedbackStore(self.engine)

    def late(self, baseline: Baseline) -> dict[Segment, float]:
        found = self.rows("SELECT segment, late FROM watches WHERE baseline = %s AND late > 0", baseline.version)
        return {Segment.parse(row.segment): row.late for row in found}

    def judged(self, baseline: Baseline) -> Mapping[Segment, Mapping[datetime, Sum]]:
        return dict(self.watches().judged(baseline))

    def verdicts(self) -> list[tuple[datetime, Segment, str, float, float, bool]]:
        found = self.rows("SELECT * FROM verdicts")
        return sorted((r.pane, Segment.parse(r.segment), r.signal, r.n, r.log_e, r.drifted) for r in found)

    def alerts(self) -> list[Alert]:
        return [
            Alert(
                row.id, row.labels, row.status, row.onset, row.fired_at, row.summary, tuple(row.signals), row.evidence,
                row.inhibited_by, row.resolved_at, row.severity, row.resolution, row.paged,
            )
            for row in self.rows(
                "SELECT a.* FROM alerts AS a ORDER BY (SELECT min(e.id) FROM alert_events AS e WHERE e.alert = a.id)"
            )
        ]  # fmt: skip

    def happenings(self) -> list[str]:
        return [row.happening for row in self.rows("SELECT happening FROM alert_events ORDER BY id")]

    def posted(self) -> list[tuple[str, str, str]]:
        found = self.rows(
            "SELECT o.payload, d.endpoint FROM outbox o JOIN deliveries d USING (sequence) ORDER BY sequence, endpoint"
        )
        messages = [(json.loads(bytes(row.payload)), row.endpoint) for row in found]
        return [(message["type"], message["data"]["labels"]["segment"], endpoint) for message, endpoint in messages]

    def counts(self, partition: Partition) -> tuple[int, int, int]:
        (row,) = self.rows(
            "SELECT traces, repeats, rejects FROM offsets WHERE topic = %s AND partition = %s",
            partition.topic, partition.number,
        )  # fmt: skip
        return row.traces, row.repeats, row.rejects

    def gaps(self) -> list[tuple[Partition, int, int]]:
        found = self.rows("SELECT * FROM offset_gaps ORDER BY noticed_at, first_missing")
        return [(Partition(row.topic, row.partition), row.first_missing, row.resumed_at_offset) for row in found]

    def empty(self) -> None:
        """Leaves tables without rows, and their counters at one."""
        with self.engine.begin() as connection:
            found = connection.exec_driver_sql(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'driftwarden_version'"
            )
            tables = ", ".join(row.tablename for row in found)
            connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY")

    def close(self) -> None:
        self.engine.dispose()


KINDS_OF_STORES = ("memory", "postgres")


@contextmanager
def opened(request: pytest.FixtureRequest) -> Iterator[Stores]:
    """The stores that the parameter of a fixture names."""
    if request.param == "memory":
        yield InMemory()
        return
    real = InPostgres(request.getfixturevalue("migrated_url"))
    yield real
    real.empty()
    real.close()
