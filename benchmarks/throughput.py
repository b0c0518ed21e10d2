"""Traces per second, end to end: a real broker, the consume loop, a real Postgres; and what each stage costs.

    python -m benchmarks.throughput [--traces 40000] [--repeats 3]

Traces of about 3 kB carry both embeddings (float16, 384-d), so no model runs. Each kind of run is repeated in this one
process; medians are printed. "without drift" stores traces and scores; "with drift" also adds up the feature maps of 16
signals for three segments. "with context" has the passages and log-probabilities of the demo's scenario (7 kB).
"""

from __future__ import annotations

import argparse
import base64
import resource
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from monitor.baseline import Learner, Learning
from monitor.codec import Limits
from monitor.demo.scenario import scenario
from monitor.dev import kafka, postgres
from monitor.events import BatchStored, Event
from monitor.kafka.config import KafkaConfig
from monitor.kafka.sink import KafkaSink
from monitor.kafka.source import KafkaSource
from monitor.kafka.topics import ensure
from monitor.model.record import Partition, Progress, Record
from monitor.pipeline import Pipeline, consume
from monitor.scoring import Scorer, add_up
from monitor.storage import partitions
from monitor.storage.baselines import PostgresBaselineStore
from monitor.storage.engine import connect
from monitor.storage.migrate import migrate
from monitor.storage.traces import PostgresTraceStore
from monitor.watch import Pace

SPACE = ("all-MiniLM-L6-v2", 384)


class NoDeadLetters:
    def send(self, rejects: Sequence[object]) -> None:
        raise SystemExit(f"{len(rejects)} rejects in a benchmark without any")


@dataclass
class Run:
    """Seconds by stage, and the totals."""

    traces: int
    wall_s: float
    cpu_s: float
    stages: dict[str, float]


def embeddings(rng: np.random.Generator) -> list[dict[str, object]]:
    rows = rng.normal(size=(2, SPACE[1]))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [
        {"target": target, "model": SPACE[0], "dim": SPACE[1], "encoding": "f16le_b64",
         "data": base64.b64encode(row.astype("<f2").tobytes()).decode()}
        for target, row in zip(("prompt", "response"), rows, strict=True)
    ]  # fmt: skip


def records(count: int, *, full: bool, seed: int, start: datetime) -> list[bytes]:
    """Traces of the demo's scenario with vectors; without context and log-probabilities unless ``full``."""
    rng = np.random.default_rng(seed)
    found = []
    for value in scenario(seed, traces=count, start=start, span=timedelta(hours=2), change_at=1.0):
        trace = msgspec.json.decode(value)
        trace["id"] = f"{seed}-{trace['id']}"[:128]
        trace["embeddings"] = embeddings(rng)
        if not full:
            for name in ("context", "logprobs", "retrieval"):
                trace.pop(name, None)
        found.append(msgspec.json.encode(trace))
    return found


def measured(config: KafkaConfig, url: str, values: Sequence[bytes], *, drift: bool) -> Run:
    """One run over a topic of its own."""
    engine = connect(postgres.create_database(url, config.topic.replace(".", "_").replace("-", "_")))
    migrate(engine)
    now = datetime.now(UTC)
    partitions.ensure(engine, now)
    ensure(config)
    pace, learning = Pace(), Learning(traces=2000, watched=((), ("build",), ("prompt_template",)))
    adding = partial(add_up, watched=learning.watched, pane=pace.pane, limit=200)
    scorer = Scorer(embedder=None, name=SPACE[0], dimension=SPACE[1])
    stages: dict[str, float] = defaultdict(float)
    done = [0]

    def emit(event: Event) -> None:
        if isinstance(event, BatchStored):
            done[0] += event.traces
            for stage, seconds in event.seconds.items():
                stages[stage] += seconds

    store = PostgresTraceStore(engine)
    pipeline = Pipeline(store, scorer.score, adding, clock=lambda: datetime.now(UTC), limits=Limits(), emit=emit)
    if drift:
        warm(pipeline, store, records(2000, full=False, seed=7, start=now - timedelta(hours=6)))
        learner = Learner(
            PostgresBaselineStore(engine), adding, learning=learning, pace=replace(pace, idle_after=timedelta(0)),
            clock=lambda: datetime.now(UTC) + timedelta(minutes=5), emit=emit, space=scorer.space,
        )  # fmt: skip
        learner.learn()
        pipeline.baseline = store.baseline()
        if pipeline.baseline is None:
            raise SystemExit("no baseline was learned")
    sink = KafkaSink(config, config.topic)
    for i, value in enumerate(values):
        sink.send(str(i).encode(), value, {})
    sink.flush()
    sink.close()
    source = KafkaSource(config, emit=emit)
    stages.clear()
    done[0] = 0
    began: list[float] = []

    def stopped() -> bool:
        if not began and done[0]:  # joining the group is not what is measured
            began.extend((time.perf_counter(), cpu(), done[0]))
            stages.clear()
        return done[0] >= len(values)

    consume(source, store, pipeline, NoDeadLetters(), stopped)
    wall_s, cpu_s, count = time.perf_counter() - began[0], cpu() - began[1], len(values) - int(began[2])
    source.close()
    engine.dispose()
    return Run(count, wall_s, cpu_s, dict(stages))


def warm(pipeline: Pipeline, store: PostgresTraceStore, values: Sequence[bytes]) -> None:
    place = Partition("warm", 0)
    store.positions({place: 0})
    rows = [Record(place, i, value, {}) for i, value in enumerate(values)]
    pipeline.ingest(rows, [Progress(place, 0, len(rows), len(rows))])


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def report(title: str, runs: Sequence[Run], size: float) -> None:
    rate = statistics.median(run.traces / run.wall_s for run in runs)
    burnt = statistics.median(run.cpu_s / run.traces * 1e6 for run in runs)
    print(f"\n{title}: {rate:,.0f} traces/s, {burnt:.0f} µs of consumer CPU per trace, {size:,.0f} bytes a record")
    for stage in ("decode", "score", "summarise", "store"):
        print(f"    {stage:10} {statistics.median(run.stages[stage] / run.traces * 1e6 for run in runs):6.1f} µs")
    rest = statistics.median((run.wall_s - sum(run.stages.values())) / run.traces * 1e6 for run in runs)
    print(f"    {'poll':10} {rest:6.1f} µs (fetching, waiting for the broker)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=40_000)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="driftwarden-bench-"))
    url, bootstrap = postgres.start(folder / "postgres"), kafka.start(folder / "kafka")
    try:
        start = datetime.now(UTC) - timedelta(hours=3)
        plain, full = (records(asked.traces, full=full, seed=1, start=start) for full in (False, True))
        for title, values, drift in (
            ("without drift", plain, False),
            ("with drift", plain, True),
            ("with drift and context", full, True),
        ):
            runs = []
            for i in range(asked.repeats):
                name = f"bench-{title.replace(' ', '-')}-{i}"
                config = KafkaConfig(bootstrap, topic=name, dead_letter_topic=f"{name}-dlq", group_id=name)
                runs.append(measured(config, url, values, drift=drift))
            report(title, runs, statistics.mean(map(len, values)))
    finally:
        kafka.stop(folder / "kafka")
        postgres.stop(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
