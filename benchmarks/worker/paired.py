"""What tracing costs a worker that serves: the same bursts to the same worker, with and without a trace, in turns."""

from __future__ import annotations

import json
import statistics
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scipy.stats import binom

from benchmarks.worker.load import Burst
from benchmarks.worker.serving import CLIENTS, Served

CONFIDENCE = 0.95
# Within which a broker takes what has been gathered.
ACKNOWLEDGED_S = 0.5


@dataclass(frozen=True, slots=True)
class Spent:
    """What a burst took: CPU-seconds of the whole process and, within them, of the thread that runs the model."""

    all_s: float
    model_s: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Pair:
    """The same requests with their traces and without."""

    traced: Spent
    without: Spent
    requests: int

    @property
    def us_a_request(self) -> float:
        """What tracing adds in all threads."""
        return (self.traced.all_s - self.without.all_s) / self.requests * 1e6

    @property
    def us_beside_the_model(self) -> float:
        """What tracing adds in all threads but the model's: its time hangs on how requests met, and on neighbours."""
        beside, plain = (each.all_s - each.model_s for each in (self.traced, self.without))
        return (beside - plain) / self.requests * 1e6

    @property
    def percent_beside_the_model(self) -> float:
        """That as a share of what the request takes without."""
        return self.us_beside_the_model / (self.without.all_s / self.requests * 1e6) * 100

    @property
    def percent(self) -> float:
        """Tokens per CPU-second with traces over those without, less 100 %."""
        return 100 * (self.without.all_s / self.traced.all_s - 1)


def pairs(way: Served, number: int, *, count: int, clients: int, tokens: int) -> list[Pair]:
    """``number`` pairs of bursts of ``count`` requests, one after the other; the two of a pair take turns to be first.

    A request asks for its trace to be left out by a header, so both go through one model in one process. CPU time is of
    all threads, until the broker has acknowledged the traces; without traces one waits as long, for an idle process
    takes CPU, too.
    """
    (model,) = (thread for thread in threading.enumerate() if thread.name == "scheduler")
    traces = way.worker.traces
    assert model.ident is not None
    assert traces is not None
    clock = time.pthread_getcpuclockid(model.ident)
    with subprocess.Popen(CLIENTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        writes, reads = process.stdin, process.stdout
        assert writes is not None
        assert reads is not None

        def spent(*, traced: bool) -> Spent:
            burst = Burst(way.address, way.worker.model.name, count, clients, tokens, traced)
            all_s, model_s = time.process_time(), time.clock_gettime(clock)
            print(json.dumps(asdict(burst)), file=writes, flush=True)
            told: Any = json.loads(reads.readline())
            time.sleep(traces.gather_s + ACKNOWLEDGED_S)
            settled(way)
            if told["failed"]:
                raise RuntimeError(f"expected {count} answers, got {len(told['failed'])} errors: {told['failed'][:3]}")
            return Spent(time.process_time() - all_s, time.clock_gettime(clock) - model_s, told["tokens"])

        spent(traced=True)
        spent(traced=False)
        found = []
        for place in range(number):
            took = {traced: spent(traced=traced) for traced in ((True, False) if place % 2 else (False, True))}
            found.append(Pair(took[True], took[False], count))
        writes.close()
        return found


def settled(way: Served) -> None:
    """Wait until every trace is sent."""
    traces = way.worker.traces
    assert traces is not None
    while traces.fates["published"] < traces.fates["taken"]:
        time.sleep(0.1)


def median_within(values: Sequence[float]) -> tuple[float, float, float]:
    """The median between the ends of its interval by order statistics, which supposes no law.

    >>> median_within(range(1, 61))
    (22, 30.5, 39)
    """
    ordered = sorted(values)
    rank = int(binom.ppf((1 - CONFIDENCE) / 2, len(ordered), 0.5))
    return ordered[max(rank - 1, 0)], statistics.median(ordered), ordered[min(len(ordered) - rank, len(ordered) - 1)]
