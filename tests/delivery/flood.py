"""Malformed records among good ones, through a real topic and a real ``driftwarden consume``, and replayed."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from monitor.kafka import topics
from monitor.kafka.sink import KafkaSink
from monitor.storage.engine import connect
from tests.delivery.audit import Logged, Place, log_end, read_log
from tests.delivery.sidecar import Sidecar, caught_up
from tests.delivery.traffic import MALFORMED, Sent, Traffic

# Five megabytes each: enough of them to be met in every partition, and no more.
TOO_LARGE, WITH_NUL = 10, 100
# The trace with passages, whose answer is told sentence by sentence.
GROUNDED = WITH_NUL
# What lets the large ones in when they are replayed.
RAISED = {"DRIFTWARDEN_INGEST__RECORD_BYTES": str(8 * 2**20)}


@dataclass(frozen=True, slots=True)
class Count:
    """What is sent: traces, records that can't be read, and traces sent once more."""

    good: int = 10_000
    bad: int = 1_000
    repeats: int = 200


@dataclass(frozen=True, slots=True)
class State:
    """What database and topics hold; rejects as (reason, was replayed) by place, letters by source place."""

    traces: int
    with_nul: int
    repeats: int
    rejects: Mapping[Place, tuple[str, bool]]
    letters: Mapping[Place, Logged]
    log: Mapping[Place, Logged]
    exit_code: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Flood:
    """The state before and after the rejects were replayed, and what the command said.

    ``scores`` and ``claims`` are of the trace with passages.
    """

    count: Count
    first: State
    scores: Mapping[str, sa.Row[Any]]
    claims: Sequence[sa.Row[Any]]
    second: State
    listed: Sequence[Mapping[str, Any]]
    listed_empty: Sequence[Mapping[str, Any]]
    replay: str


def records(count: Count, start: datetime) -> list[Sent]:
    """All records in an order of their own."""
    traffic, order = Traffic(start), random.Random(5)
    kinds = sorted(set(MALFORMED) - {"too large"})
    bad = ["too large"] * TOO_LARGE + [kinds[i % len(kinds)] for i in range(count.bad - TOO_LARGE)]
    good = [traffic.with_nul(number) if number < WITH_NUL else traffic.good(number) for number in range(count.good)]
    good[GROUNDED] = traffic.grounded(GROUNDED)
    made = good + [traffic.bad(kind, number) for number, kind in enumerate(bad)] + order.sample(good, count.repeats)
    order.shuffle(made)
    return made


def flood(sidecar: Sidecar, count: Count) -> Flood:
    """Sends everything, lets it be consumed, replays the rejects under a raised limit and lets that be consumed."""
    made = sidecar.call("migrate")
    if made.returncode:
        raise AssertionError(made.stderr)
    topics.ensure(sidecar.config)
    sink = KafkaSink(sidecar.config, sidecar.topic)
    for record in records(count, datetime.now(UTC) - timedelta(days=1)):
        sink.send(record.key, record.value, record.headers)
    sink.flush()
    sink.close()
    engine = connect(sidecar.database_url)
    try:
        first = consumed(sidecar, engine)
        scores, claims = told(engine, f"t{GROUNDED}")
        listed = lines(sidecar.call("rejects", "list", "--format", "json", "--limit", "100000").stdout)
        empty = lines(sidecar.call("rejects", "list", "--format", "json", "--reason", "empty").stdout)
        replay = sidecar.call("rejects", "replay").stdout
        second = consumed(replace(sidecar, more=RAISED), engine)
    finally:
        engine.dispose()
    return Flood(count, first, scores, claims, second, listed, empty, replay)


def told(engine: sa.Engine, trace: str) -> tuple[dict[str, sa.Row[Any]], Sequence[sa.Row[Any]]]:
    """The scores of a trace by name, and the sentences of its answer."""
    with engine.connect() as connection:
        scores = connection.exec_driver_sql("SELECT * FROM v_scores WHERE id = %s", (trace,)).all()
        claims = connection.exec_driver_sql("SELECT * FROM v_claims WHERE id = %s ORDER BY place", (trace,)).all()
    return {row.score: row for row in scores}, claims


def consumed(sidecar: Sidecar, engine: sa.Engine) -> State:
    """Runs the consumer to the end of the topic and stops it."""
    end, started = log_end(sidecar.config), time.monotonic()
    with sidecar.running("consume") as consumer:
        consumer.until(lambda: caught_up(engine, sidecar.topic, end), "end of the topic", deadline_s=240)
        seconds = time.monotonic() - started
        exit_code = consumer.stop()
    with engine.connect() as connection:
        traces, with_nul = connection.exec_driver_sql(
            "SELECT count(*), count(*) FILTER (WHERE record -> 'extra' ? 'driftwarden_altered') FROM v_traces"
        ).one()
        repeats = connection.exec_driver_sql("SELECT sum(repeats) FROM v_partitions").scalar_one()
        found = connection.exec_driver_sql('SELECT partition, "offset", reason, replayed_at FROM v_rejects').all()
    letters = {
        (int(letter.headers["source.partition"]), int(letter.headers["source.offset"])): letter
        for letter in read_log(sidecar.config, sidecar.config.dead_letter_topic)
    }
    rejects = {(row.partition, row.offset): (row.reason, row.replayed_at is not None) for row in found}
    if len(rejects) != len(found):
        raise AssertionError(f"{len(found)} rejects of {len(rejects)} places")
    log = {record.place: record for record in read_log(sidecar.config, sidecar.topic)}
    return State(traces, with_nul, int(repeats), rejects, letters, log, exit_code, seconds)


def lines(text: str) -> list[Any]:
    return [msgspec.json.decode(line) for line in text.splitlines()]


def reasons(state: State) -> Counter[str]:
    return Counter(reason for reason, _ in state.rejects.values())


def expected_reasons(state: State) -> dict[Place, str]:
    """What each malformed record of the topic is to be rejected for."""
    return {
        place: MALFORMED[record.headers["wrong"].decode()].reason
        for place, record in state.log.items()
        if "wrong" in record.headers
    }
