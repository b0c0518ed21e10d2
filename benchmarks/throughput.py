"""Traces per second, end to end: a real broker, `driftwarden consume` in processes of its own, a real Postgres.

    python -m benchmarks.throughput [--traces 40000] [--repeats 3] [--consumers 1] [--only KIND]

Traces of about 4 kB carry both embeddings (float16, 384-d), so no model runs. They lie in the topic before the
consumers start; a run is timed from when each consumer has stored its first batch. "without drift" stores traces and
scores; "with drift" also adds up the feature maps of all signals for three segments; "with context" has the passages
and log-probabilities of the demo's scenario too. Medians are printed; CPU is that of all processes of a part.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from queue import Queue
from threading import Thread

import msgspec
import numpy as np
import psutil

from monitor.demo.scenario import scenario
from monitor.dev import kafka, postgres
from monitor.events import BatchStored, Event
from monitor.kafka.config import KafkaConfig
from monitor.kafka.sink import KafkaSink
from monitor.kafka.topics import ensure
from monitor.model.record import Partition, Progress, Record
from monitor.storage import partitions
from monitor.storage.engine import connect
from monitor.storage.migrate import migrate
from monitor.telemetry import Telemetry
from monitor.wiring import Stop, clock, learner, settings
from monitor.wiring.parts import pipeline, trace_store
from monitor.wiring.roles import run_consume

SPACE = ("all-MiniLM-L6-v2", 384)
REFERENCE = 2_000
# Whether traces have all the demo's fields, and whether a baseline is in force.
KINDS = {"without drift": (False, False), "with drift": (False, True), "with drift and context": (True, True)}
SECONDS = ("decode", "score", "summarise", "store")


class Batch(msgspec.Struct, frozen=True):
    """What a consumer says of a batch it stored: when, the CPU it has burnt so far, and the seconds of each stage."""

    at: float
    cpu_s: float
    traces: int
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """A run's totals; all in seconds but for the number of traces."""

    traces: int
    wall: float
    consumers: float
    postgres: float
    broker: float
    stages: Mapping[str, float]


class Told(Telemetry):
    """A consumer's own telemetry, and a line about each batch."""

    def emit(self, event: Event) -> None:
        super().emit(event)
        if isinstance(event, BatchStored):
            told = Batch(time.time(), time.process_time(), event.traces, event.seconds)
            print(msgspec.json.encode(told).decode(), flush=True)


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


def prepare(url: str, config: KafkaConfig, values: Sequence[bytes]) -> None:
    """An empty database, and the topic with all records in it."""
    engine = connect(url)
    migrate(engine)
    partitions.ensure(engine, datetime.now(UTC))
    engine.dispose()
    ensure(config)
    sink = KafkaSink(config, config.topic)
    for i, value in enumerate(values):
        sink.send(str(i).encode(), value, {})
    sink.flush()
    sink.close()


def learn() -> None:
    """Stores some traces and puts the baseline learned from them in force."""
    found = settings()
    telemetry = Telemetry("learn", json_logs=True, stream=StringIO())
    engine = connect(str(found.database.url))
    store, place = trace_store(found, engine), Partition("warm", 0)
    store.positions({place: 0})
    start = datetime.now(UTC) - timedelta(hours=6)
    values = records(REFERENCE, full=False, seed=7, start=start)
    pipeline(found, store, telemetry.emit).ingest(
        [Record(place, i, value, {}) for i, value in enumerate(values)], [Progress(place, 0, len(values), len(values))]
    )
    made = learner(found, engine, telemetry.emit)
    # Nobody reads this partition to its end, so it is not waited for.
    made.clock, made.pace = lambda: clock() + timedelta(minutes=5), replace(made.pace, idle_after=timedelta(0))
    made.learn()
    if store.baseline() is None:
        raise SystemExit("no baseline was learned")
    engine.dispose()


def consume() -> None:
    """What a consumer's process runs."""
    run_consume(settings(), Stop().listen(), Told("consume", json_logs=True, stream=StringIO()))


@contextmanager
def consuming(environ: Mapping[str, str], count: int) -> Iterator[Queue[tuple[int, Batch]]]:
    """So many consumers, and what they say."""
    said: Queue[tuple[int, Batch]] = Queue()

    def listen(number: int, process: subprocess.Popen[bytes]) -> None:
        for line in process.stdout or ():
            said.put((number, msgspec.json.decode(line, type=Batch)))

    command = [sys.executable, "-c", "from benchmarks.throughput import consume; consume()"]
    started = [subprocess.Popen(command, env=dict(environ), stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for each in enumerate(started):
            Thread(target=listen, args=each, daemon=True).start()
        yield said
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def measured(folder: Path, environ: Mapping[str, str], count: int, consumers: int) -> Run:
    """Consumers on ``count`` records, from when each has stored a batch to the last trace."""
    heard: list[tuple[int, Batch]] = []
    begun, services = 0, (0.0, 0.0)
    with consuming(environ, consumers) as said:
        while sum(batch.traces for _, batch in heard) < count:
            heard.append(said.get(timeout=120))
            if not begun and len(dict(heard)) == consumers:
                begun, services = len(heard), (cpu_s(folder / "postgres"), cpu_s(folder / "kafka"))
        burnt = cpu_s(folder / "postgres") - services[0], cpu_s(folder / "kafka") - services[1]
    first, last, batches = dict(heard[:begun]), dict(heard), [batch for _, batch in heard[begun:]]
    return Run(
        sum(batch.traces for batch in batches),
        max(batch.at for batch in last.values()) - max(batch.at for batch in first.values()),
        sum(last[number].cpu_s - first[number].cpu_s for number in first),
        *burnt,
        {stage: sum(batch.seconds[stage] for batch in batches) for stage in SECONDS},
    )


def cpu_s(folder: Path) -> float:
    """CPU seconds of a service so far: every process that names its folder, and their children."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in word for word in process.info["cmdline"] or ()):
            found |= {each.pid: each for each in (process, *process.children(recursive=True))}
    times = [each.cpu_times() for each in found.values()]
    return sum(each.user + each.system for each in times)


def report(title: str, runs: Sequence[Run], size: float, consumers: int) -> None:
    def each(what: str, seconds: Sequence[float]) -> str:
        micros = [spent / run.traces * 1e6 for spent, run in zip(seconds, runs, strict=True)]
        return f"    {what:10} {statistics.median(micros):6.1f} µs"

    rate = statistics.median(run.traces / run.wall for run in runs)
    count = "1 consumer" if consumers == 1 else f"{consumers} consumers"
    print(f"\n{title}: {rate:,.0f} traces/s, {size:,.0f} bytes a record, {count}; per trace:")
    print("  CPU")
    for part in ("consumers", "postgres", "broker"):
        print(each(part, [getattr(run, part) for run in runs]))
    print("  time of a consumer")
    for stage in SECONDS:
        print(each(stage, [run.stages[stage] for run in runs]))
    rest = [run.wall * consumers - sum(run.stages.values()) for run in runs]
    print(each("poll", rest), "(fetching, waiting for the broker)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=40_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--consumers", type=int, default=1)
    parser.add_argument("--only", choices=KINDS, help="one kind of run")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="driftwarden-bench-"))
    url, bootstrap = postgres.start(folder / "postgres"), kafka.start(folder / "kafka")
    try:
        start = datetime.now(UTC) - timedelta(hours=3)
        for title, (full, drift) in KINDS.items():
            if asked.only not in (None, title):
                continue
            values, runs = records(asked.traces, full=full, seed=1, start=start), []
            for i in range(asked.repeats):
                name = f"bench-{title.replace(' ', '-')}-{i}"
                config = KafkaConfig(bootstrap, topic=name, dead_letter_topic=f"{name}-dlq", group_id=name)
                database = postgres.create_database(url, name.replace("-", "_"))
                environ = dict(os.environ) | settings_of(database, config)
                prepare(database, config, values)
                if drift:
                    learning = "from benchmarks.throughput import learn; learn()"
                    subprocess.run([sys.executable, "-c", learning], env=environ, check=True)
                runs.append(measured(folder, environ, len(values), asked.consumers))
                postgres.drop_database(database)
            report(title, runs, statistics.mean(map(len, values)), asked.consumers)
    finally:
        kafka.stop(folder / "kafka")
        postgres.stop(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


def settings_of(database: str, config: KafkaConfig) -> dict[str, str]:
    return {
        "DRIFTWARDEN_DATABASE__URL": database,
        "DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS": config.bootstrap_servers,
        "DRIFTWARDEN_KAFKA__TOPIC": config.topic,
        "DRIFTWARDEN_KAFKA__DEAD_LETTER_TOPIC": config.dead_letter_topic,
        "DRIFTWARDEN_KAFKA__GROUP_ID": config.group_id,
        "DRIFTWARDEN_EMBEDDING__SOURCE": "trace",
        "DRIFTWARDEN_EMBEDDING__NAME": SPACE[0],
        "DRIFTWARDEN_EMBEDDING__DIMENSION": str(SPACE[1]),
        "DRIFTWARDEN_DRIFT__REFERENCE_TRACES": str(REFERENCE),
        "DRIFTWARDEN_DRIFT__SEGMENTS": '[[], ["build"], ["prompt_template"]]',
    }


if __name__ == "__main__":
    main()
