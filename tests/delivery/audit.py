"""What the topic holds against what the database holds, record by record and sum by sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import numpy as np
import sqlalchemy as sa
from kafka import KafkaConsumer, TopicPartition

from monitor.kafka.config import KafkaConfig
from monitor.model.grid import pane_of
from monitor.model.scores import NAMES
from monitor.scoring import add_up
from monitor.storage.baselines import PostgresBaselineStore
from monitor.storage.panes import parts
from tests.delivery.traffic import BAD, KIND
from tests.delivery.worker import PANE, WATCHED

Place = tuple[int, int]
EVERYTHING = 10_000_000


@dataclass(frozen=True, slots=True)
class Logged:
    """A record as the topic holds it."""

    place: Place
    value: bytes
    headers: Mapping[str, bytes]


def read_log(config: KafkaConfig, topic: str) -> list[Logged]:
    """Every record of a topic up to where it ends now."""
    with reading(config, topic) as (consumer, ends):
        consumer.assign(list(ends))
        consumer.seek_to_beginning(*ends)
        found: list[Logged] = []
        while any(consumer.position(each) < end for each, end in ends.items()):
            for each, messages in consumer.poll(timeout_ms=500).items():
                found += [
                    Logged((each.partition, message.offset), message.value or b"", dict(message.headers))
                    for message in messages
                    if message.offset < ends[each]
                ]
    return found


def log_end(config: KafkaConfig) -> int:
    """Records in the topic of traces, all partitions together."""
    with reading(config, config.topic) as (_, ends):
        return sum(ends.values())


@contextmanager
def reading(config: KafkaConfig, topic: str) -> Iterator[tuple[Any, dict[Any, int]]]:
    consumer = KafkaConsumer(bootstrap_servers=config.bootstrap_servers, enable_auto_commit=False, group_id=None)
    numbers = consumer.partitions_for_topic(topic)
    yield consumer, consumer.end_offsets([TopicPartition(topic, number) for number in sorted(numbers)])
    consumer.close()


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that was counted on both sides."""

    name: str
    expected: int
    lost: int
    duplicated: int


@dataclass(frozen=True, slots=True)
class Audit:
    measures: Sequence[Measure]
    sums_differ: int

    @property
    def lost(self) -> int:
        return sum(measure.lost for measure in self.measures)

    @property
    def duplicated(self) -> int:
        return sum(measure.duplicated for measure in self.measures)

    def wrong(self) -> list[Measure]:
        return [measure for measure in self.measures if measure.lost or measure.duplicated]


def compared(name: str, expected: Counter[Any], found: Counter[Any]) -> Measure:
    """How often what is expected is missing, and what is found is too much."""
    return Measure(name, expected.total(), (expected - found).total(), (found - expected).total())


def audited(config: KafkaConfig, engine: sa.Engine, *, watched_from: datetime) -> Audit:
    """The audit of a site that has come to rest; ``watched_from`` is where the traces after the reference begin."""
    log = read_log(config, config.topic)
    bad = Counter(record.place for record in log if record.headers[KIND] == BAD)
    keys = Counter(key_of(record) for record in log if record.headers[KIND] != BAD)
    once = Counter(list(keys))
    letters = Counter(
        (int(letter.headers["source.partition"]), int(letter.headers["source.offset"]))
        for letter in read_log(config, config.dead_letter_topic)
    )
    with engine.connect() as connection:
        traces = list(connection.exec_driver_sql("SELECT tenant, id, time, build FROM traces"))
        stored = Counter((row.tenant, row.id, row.time) for row in traces)
        scores = Counter(tuple(row) for row in connection.exec_driver_sql("SELECT tenant, id, time FROM v_scores"))
        rejects = Counter(tuple(r) for r in connection.exec_driver_sql('SELECT partition, "offset" FROM rejects'))
        builds = Counter({row.build: row.traces for row in connection.exec_driver_sql("SELECT * FROM builds")})
        counted = connection.exec_driver_sql(
            "SELECT sum(traces) AS traces, sum(repeats) AS repeats, sum(rejects) AS rejects FROM offsets"
        ).one()
        panes = pane_counts(connection, since=pane_of(watched_from, PANE))
    distinct = {(row.tenant, row.id, row.time): row for row in traces}.values()
    late = [row.tenant for row in distinct if row.time >= watched_from]
    expected_panes = Counter({"all": len(late)}) + Counter(f"tenant={tenant}" for tenant in late)
    return Audit(
        [
            compared("traces", once, stored),
            compared("scores", Counter(dict.fromkeys(once, len(NAMES))), scores),
            compared("rejects", bad, rejects),
            compared("dead letters", bad, Counter(list(letters))),
            total("offsets.traces", len(once), int(counted.traces)),
            total("offsets.repeats", keys.total() - len(once), int(counted.repeats)),
            total("offsets.rejects", bad.total(), int(counted.rejects)),
            compared("builds", Counter(row.build for row in distinct), builds),
            compared("pane sums", expected_panes, panes),
        ],
        sums_that_differ(engine, watched_from),
    )


def key_of(record: Logged) -> tuple[str, str, datetime]:
    fields = msgspec.json.decode(record.value)
    return fields["segment"]["tenant"], fields["id"], datetime.fromisoformat(fields["time"])


def total(name: str, expected: int, found: int) -> Measure:
    return Measure(name, expected, max(expected - found, 0), max(found - expected, 0))


def pane_counts(connection: sa.Connection, *, since: datetime) -> Counter[str]:
    """Traces by segment, as the panes of the baseline in force have them."""
    found: Counter[str] = Counter()
    for table in ("sums", "panes"):
        for row in connection.exec_driver_sql(
            f"SELECT segment, n FROM {table} WHERE pane >= %s AND baseline = (SELECT max(version) FROM baselines)",
            (since,),
        ):
            found[row.segment] += int(row.n)
    return found


def sums_that_differ(engine: sa.Engine, watched_from: datetime) -> int:
    """Segments whose added-up features are not those of the stored traces, made again from the table."""
    store = PostgresBaselineStore(engine)
    baseline = store.baseline()
    if baseline is None:
        return 0
    history = store.history(where={"since": watched_from}, limit=EVERYTHING)
    again = partial(add_up, watched=WATCHED, pane=PANE, limit=200)(history, baseline)
    made: dict[str, Any] = {}
    for part in again:
        made[str(part.segment)] = made.get(str(part.segment), 0.0) + part.sum.total
    with engine.connect() as connection:
        until = datetime.max.replace(tzinfo=watched_from.tzinfo)
        sums = parts(connection, baseline.version, pane_of(watched_from, PANE), until)
    found = {str(segment): total.total for segment, total in sums.items()}
    same = [name for name in made if name in found and np.allclose(made[name], found[name], rtol=1e-6, atol=1e-3)]
    return len(made.keys() | found.keys()) - len(same)
