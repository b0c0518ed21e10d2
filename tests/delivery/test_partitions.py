"""The same stream gives the same verdicts, however many partitions it comes through and whoever dies on the way."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import sqlalchemy as sa

from monitor.kafka.sink import KafkaSink
from monitor.kafka.topics import ensure
from monitor.storage.engine import connect
from monitor.storage.migrate import migrate
from tests.conftest import Broker
from tests.delivery.conftest import Server
from tests.delivery.sidecar import Sidecar, caught_up
from tests.delivery.traffic import Traffic

PARTITIONS = (1, 3, 8)
REFERENCE, TRACES = 400, 1_600
PACE = {
    "DRIFTWARDEN_DRIFT__REFERENCE_TRACES": str(REFERENCE),
    "DRIFTWARDEN_DRIFT__PANE_S": "32",
    "DRIFTWARDEN_DRIFT__IDLE_AFTER_S": "3",
    "DRIFTWARDEN_DRIFT__REPLAY_PANES": "20",
}

Verdict = tuple[str, str, datetime, float, bool]


def stream(start: datetime) -> Sequence[tuple[bytes, bytes]]:
    """Traces of which the last third answers at three times the length."""
    traffic, records = Traffic(start), []
    for number in range(TRACES):
        fields = traffic.fields(number)
        if number >= TRACES * 2 // 3:
            fields["usage"]["output_tokens"] *= 3
        records.append((fields["id"].encode(), msgspec.json.encode(fields)))
    return records


def all_judged(engine: sa.Engine) -> bool:
    """True when a baseline is there and no pane waits."""
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT EXISTS (SELECT FROM verdicts) AND NOT EXISTS (SELECT FROM sums)")
        return bool(found.scalar_one())


def verdicts(
    site: Sidecar, partitions: int, records: Sequence[tuple[bytes, bytes]]
) -> tuple[list[Verdict], list[float]]:
    """What the judge says of the stream, and how sure; one of two consumers is killed midway and replaced."""
    engine = connect(site.database_url)
    ensure(site.config, partitions=partitions)
    sink = KafkaSink(site.config, site.topic)
    with ExitStack() as stack:
        doomed, survivor = (stack.enter_context(site.running("consume")) for _ in range(2))
        half = len(records) // 2
        for key, value in records[:half]:
            sink.send(key, value, {})
        sink.flush()
        survivor.until(lambda: caught_up(engine, site.topic, half), "the first half")
        doomed.process.kill()
        for key, value in records[half:]:
            sink.send(key, value, {})
        sink.flush()
        sink.close()
        successor = stack.enter_context(site.running("consume"))
        successor.until(lambda: caught_up(engine, site.topic, len(records)), "the second half", deadline_s=120)
        judge = stack.enter_context(site.running("judge"))
        judge.until(lambda: all_judged(engine), "verdicts on every pane", deadline_s=120)
        assert judge.stop() == 0
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT segment, signal, pane, n, drifted, log_e FROM v_drift ORDER BY segment, signal, pane"
        ).all()
    engine.dispose()
    return [tuple(row[:5]) for row in rows], [row.log_e for row in rows]


def installed(folder: Path, server: Server, kafka: Broker) -> Sidecar:
    """A sidecar with a database of its own."""
    folder.mkdir()
    site = Sidecar(folder, server.fresh(), kafka.bootstrap, more=PACE)
    engine = connect(site.database_url)
    migrate(engine)
    engine.dispose()
    return site


def test_one_three_and_eight_partitions_give_the_same_verdicts(server: Server, kafka: Broker, tmp_path: Path) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    records = stream(start)
    sites = [installed(tmp_path / str(partitions), server, kafka) for partitions in PARTITIONS]
    # Most of the time each of them waits for processes to start.
    with ThreadPoolExecutor(len(sites)) as threads:
        found = list(threads.map(lambda site, partitions: verdicts(site, partitions, records), sites, PARTITIONS))
    (first, sure), *others = found
    assert any(drifted for *_, drifted in first)
    assert not all(drifted for *_, drifted in first)
    for said, as_sure in others:
        assert said == first
        np.testing.assert_allclose(as_sure, sure, rtol=1e-4, atol=1e-3)
