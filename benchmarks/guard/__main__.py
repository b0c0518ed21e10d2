"""What a guard adds: p50 and p99 of its service at a steady rate, by what its policy measures.

    python -m benchmarks.guard [--rate 20] [--seconds 30] [--beside]

A real `driftwarden guard` on loopback is asked at fixed instants, whether earlier answers are there or not, and each
wait counts from the instant it was due. Exchanges are the demo's, prompts made longer by earlier talk: median about 30
words, one in ten above 100; input and output take turns. `--beside` scores batches in another process meanwhile, as a
consumer does.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import httpx
import msgspec
import numpy as np
import psutil
from msgspec import structs

from monitor.demo.scenario import exchanges
from monitor.model.check import CheckRequest, Decision, Message, requests_of_trace
from monitor.model.texts import parts_text

HERE = Path(__file__).parent
WARM_UP = 20
POLICIES = {"lexical": 5.0, "model": 15.0, "encoder": 50.0}
BATCHES = """
import time
from datetime import UTC, datetime, timedelta
from benchmarks.scores.speed import rich_traces
from monitor.inference.grounding import shipped_grounding
from monitor.scoring import Scorer
traces = rich_traces(256)
scorer = Scorer(embedder=None, name="any", dimension=384, grounder=shipped_grounding())
print("scoring", flush=True)
while True:
    scorer.score(traces)
"""


def requests(count: int) -> list[CheckRequest]:
    """So many exchanges, no two prompts alike, input and output in turn."""
    rng = np.random.default_rng(3)
    start = datetime.now(UTC)
    found = []
    traces = list(exchanges(5, traces=count, start=start, span=timedelta(hours=1)))
    sentences = [sentence for trace in traces for passage in trace.context for sentence in passage.text.split(". ")]
    for number, trace in enumerate(traces):
        stages = requests_of_trace(trace)
        request = stages[number % len(stages)]
        words = int(min(rng.lognormal(3.0, 1.0), 250))
        talk: list[str] = []
        while sum(len(sentence.split()) for sentence in talk) < words:
            talk.append(str(rng.choice(sentences)))
        *before, last = request.messages
        asked = last.content if isinstance(last.content, str) else parts_text(last.content or [])
        longer = Message(last.role, f"{'. '.join(talk)}. {asked} ({number})")
        found.append(structs.replace(request, messages=[*before, longer], deadline_ms=1_000.0))
    return found


@dataclass(frozen=True, slots=True)
class Service:
    """A guard's address and its process."""

    url: str
    process: psutil.Process

    def cpu_s(self) -> float:
        used = self.process.cpu_times()
        return used.user + used.system


@contextmanager
def service(policy: str) -> Iterator[Service]:
    """A guard with one policy."""
    environ = {**os.environ, "DRIFTWARDEN_GUARD__PORT": "0"}
    environ.pop("DRIFTWARDEN_GUARD__TOKEN", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "monitor", "guard", "--policy", str(HERE / f"{policy}.yaml")],
        env=environ, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    told = ""
    while (found := re.search(r"http://[\d.]+:\d+", told)) is None:
        told = process.stderr.readline()
        if not told:
            raise SystemExit(f"the guard ended with {process.wait()}")
    try:
        yield Service(found[0], psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


@contextmanager
def batches(*, wanted: bool) -> Iterator[None]:
    """Batches are scored in another process meanwhile."""
    if not wanted:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", BATCHES], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def waits(url: str, asked: Sequence[CheckRequest], rate: float) -> tuple[list[float], list[Decision]]:
    """Milliseconds from when each request was due to its answer, and the answers."""
    bodies = [msgspec.json.encode(request) for request in asked]
    with httpx.Client(base_url=url, timeout=5, trust_env=False) as http, ThreadPoolExecutor(32) as pool:
        for body in bodies[:WARM_UP]:
            http.post("/v1/guard/check", content=body)

        def ask(body: bytes, due: float) -> tuple[float, Decision]:
            answer = http.post("/v1/guard/check", content=body)
            took = time.perf_counter() - due
            return took * 1000, msgspec.json.decode(answer.raise_for_status().content, type=Decision)

        begin = time.perf_counter() + 0.1
        futures = []
        for number, body in enumerate(bodies):
            due = begin + number / rate
            time.sleep(max(due - time.perf_counter(), 0))
            futures.append(pool.submit(ask, body, due))
        found = [future.result() for future in futures]
    return [took for took, _ in found], [decision for _, decision in found]


@click.command()
@click.option("--rate", default=20.0, show_default=True, help="Requests a second.")
@click.option("--seconds", default=30.0, show_default=True, help="Of each policy.")
@click.option("--beside", is_flag=True, help="Score batches in another process meanwhile.")
@click.option("--policy", "policies", multiple=True, type=click.Choice(list(POLICIES)), help="Only these.")
def main(rate: float, seconds: float, beside: bool, policies: tuple[str, ...]) -> None:
    """Print a line per policy and stage; the CPU time is that of both."""
    asked = requests(int(rate * seconds))
    prompts = [len(str(request.messages[-1].content).split()) for request in asked]
    passages = [sum(len(getattr(passage, "text", "")) for passage in request.context) for request in asked]
    click.echo(
        f"{len(asked)} exchanges at {rate:g}/s: prompts of {np.median(prompts):.0f} words (90 %:"
        f" {np.quantile(prompts, 0.9):.0f}), {np.mean(passages):,.0f} characters of passages"
        f"{', beside batches being scored' if beside else ''}"
    )
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    click.echo(f"{os.cpu_count()} cores, load of the last 1, 5 and 15 minutes: {loads}")
    head = f"{'policy':9}{'stage':8}{'guard p50':>12}{'p99':>9}{'round trip p50':>17}{'p99':>9}"
    click.echo(f"{head}{'limit':>9}{'CPU each':>12}{'degraded':>10}")
    with batches(wanted=beside):
        for policy in policies or POLICIES:
            with service(policy) as guard:
                began_s = guard.cpu_s()
                took, decisions = waits(guard.url, asked, rate)
                cpu_ms = (guard.cpu_s() - began_s) * 1000 / (len(asked) + WARM_UP)
            for stage in ("input", "output"):
                places = [place for place, decision in enumerate(decisions) if decision.stage == stage]
                own = np.quantile([decisions[place].latency_s * 1000 for place in places], [0.5, 0.99])
                whole = np.quantile([took[place] for place in places], [0.5, 0.99])
                late = sum(decisions[place].degraded for place in places)
                click.echo(
                    f"{policy:9}{stage:8}{own[0]:9.2f} ms{own[1]:6.2f} ms{whole[0]:14.2f} ms{whole[1]:6.2f} ms"
                    f"{POLICIES[policy]:6g} ms{cpu_ms:9.2f} ms{late:10}"
                )


if __name__ == "__main__":
    main()
