"""Workers that serve over loopback with traces off, with a broker, and with a broker that is away."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Queue
from typing import Any

from benchmarks.worker.load import Burst
from monitor.kafka import KafkaConfig
from monitor.ports import Sink
from monitor.settings import Settings, WorkerSettings
from monitor.telemetry import Telemetry
from monitor.web.server import serve
from monitor.wiring.working import Working, sinks_for, working
from monitor.worker import Channel

CLIENTS = [sys.executable, "-m", "benchmarks.worker.load"]


@dataclass(frozen=True, slots=True)
class Round:
    """One burst of requests: their seconds, what failed, and what the worker's process spent."""

    seconds: list[float]
    failed: int
    tokens: int
    all_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Served:
    worker: Working
    address: str

    def round(self, count: int, clients: int, tokens: int) -> Round:
        """A burst by clients of another process."""
        before = time.process_time()
        burst = Burst(self.address, self.worker.model.name, count, clients, tokens)
        done = subprocess.run(CLIENTS, input=json.dumps(asdict(burst)), check=True, capture_output=True, text=True)
        told: Any = json.loads(done.stdout)
        return Round(told["seconds"], len(told["failed"]), told["tokens"], told["all_s"], time.process_time() - before)


@contextmanager
def served(folder: Path, sinks: Mapping[Channel, Sink] | None) -> Iterator[Served]:
    found = Settings(worker=WorkerSettings(model=folder, length=640, queue=1000), kafka=None)
    telemetry = Telemetry("worker", json_logs=True, stream=io.StringIO())
    over, addresses = threading.Event(), Queue[str]()
    with working(found, telemetry, sinks=sinks, over=over) as worker:
        server = threading.Thread(
            target=lambda: serve(worker.app, host="127.0.0.1", port=0, stopped=over, listening=addresses.put)
        )
        server.start()
        try:
            yield Served(worker, addresses.get(timeout=60))
        finally:
            over.set()
            server.join()
    telemetry.close()


def sinks_at(bootstrap: str) -> Mapping[Channel, Sink]:
    """Kafka's, as the worker makes them."""
    found = sinks_for(Settings(kafka=KafkaConfig(bootstrap_servers=bootstrap)))
    assert found is not None
    return found


def nobody() -> str:
    """An address where no broker listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"
