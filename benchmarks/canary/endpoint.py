"""A worker that serves a build over loopback, and the company that its requests have."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Queue

import httpx
import numpy as np

from monitor.model.canary import Canary
from monitor.settings import Settings, WorkerSettings
from monitor.telemetry import Telemetry
from monitor.web.server import serve
from monitor.wiring.working import working

NAME = "assistant"
SLOTS = 8


@contextmanager
def served(folder: Path, template: Path | None) -> Iterator[str]:
    """The address of a worker with the build, while the block lasts."""
    found = Settings(worker=WorkerSettings(model=folder, name=NAME, template=template, slots=SLOTS), kafka=None)
    telemetry = Telemetry("worker", json_logs=True, stream=io.StringIO())
    over, addresses = threading.Event(), Queue[str]()
    with working(found, telemetry, sinks=None, over=over) as worker:
        server = threading.Thread(
            target=lambda: serve(worker.app, host="127.0.0.1", port=0, stopped=over, listening=addresses.put)
        )
        server.start()
        try:
            yield f"{addresses.get(timeout=60)}/v1"
        finally:
            over.set()
            server.join()
    telemetry.close()


@contextmanager
def company(url: str, asked: Sequence[Canary], clients: int) -> Iterator[None]:
    """Other requests under way while the block lasts: each client asks one after the other, sampled, at random lengths.

    They share the steps of the model with the canaries, which is what makes the answers of an int8 build noisy.
    """
    over = threading.Event()

    def client(seed: int) -> None:
        rng = np.random.default_rng(seed)
        with httpx.Client(timeout=60) as http:
            while not over.is_set():
                one = asked[int(rng.integers(len(asked)))]
                body = {
                    "model": NAME, "messages": [{"role": "user", "content": one.prompt}], "temperature": 1.0,
                    "seed": int(rng.integers(2**31)), "max_tokens": int(rng.integers(4, 48)),
                    "driftwarden": {"context": list(one.context)},
                }  # fmt: skip
                http.post(f"{url}/chat/completions", json=body, headers={"x-driftwarden-traced": "false"})
                over.wait(float(rng.exponential(0.05)))

    with ExitStack() as stack:
        threads = [threading.Thread(target=client, args=(seed,)) for seed in range(clients)]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(over.set)
        yield
