"""What the tap adds to a request: ``python -m benchmarks.tap [--requests 400] [--no-kafka]``

A server of a steady pace, the tap before it as the command starts it, and clients, each in a process of its own. Every
client asks the server and the tap in turns, so that a busy neighbour slows both alike; nobody asks for
log-probabilities, so that the tap adds, traces and removes them. Added is the difference of the quantiles of the two
ways. CPU is that of the tap's process, its thread that sends traces included.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click
import numpy as np
import psutil

from benchmarks.tap.upstream import FIRST_S, TOKEN_S, TOKENS, WHOLE_S
from benchmarks.worker.__main__ import broker


@contextmanager
def upstream() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.tap.upstream"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


@contextmanager
def tap(address: str, bootstrap: str | None) -> Iterator[tuple[str, psutil.Process]]:
    """The command as a user starts it."""
    environment = {**os.environ, "DRIFTWARDEN_LOG__FORMAT": "text"}
    if bootstrap is not None:
        environment["DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS"] = bootstrap
    with subprocess.Popen(
        [sys.executable, "-m", "monitor", "tap", "--upstream", address, "--port", "0"],
        env=environment, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        started = next(line for line in process.stderr if "started" in line)
        found = re.search(r"http://\S+?(?=,)", started)
        assert found is not None
        yield found[0], psutil.Process(process.pid)
        process.terminate()


def load(direct: str, through: str, requests: int, clients: int, kind: str) -> Any:
    command = [sys.executable, "-m", "benchmarks.tap.load", direct, through, str(requests // clients), str(clients)]
    return json.loads(subprocess.run([*command, kind], check=True, capture_output=True, text=True).stdout)


def spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def measured(direct: str, through: str, process: psutil.Process, requests: int, clients: int, kind: str) -> None:
    before = spent(process)
    found = load(direct, through, requests, clients, kind)
    used = spent(process) - before
    ways = [np.array(found[way]) * 1e3 for way in ("direct", "tap")]
    for column, what in ((0, "first token"), (1, "whole answer")) if kind == "stream" else ((1, "whole answer"),):
        (p50, p99), (tapped50, tapped99) = (np.quantile(way[:, column], (0.5, 0.99)) for way in ways)
        click.echo(
            f"{kind:6} {clients} at once, {what:12}: direct p50 {p50:7.2f} ms, p99 {p99:7.2f} ms; tap p50"
            f" {tapped50:7.2f} ms, p99 {tapped99:7.2f} ms; added p50 {tapped50 - p50:+.2f} ms,"
            f" p99 {tapped99 - p99:+.2f} ms"
        )
    tokens = f", {used / len(ways[1]) / TOKENS * 1e6:.0f} µs a token" if kind == "stream" else ""
    click.echo(
        f"{kind:6} {clients} at once: {used / len(ways[1]) * 1e3:.2f} ms of CPU a request through the tap{tokens};"
        f" {len(ways[0])} requests each way, {len(found['failed'])} failed"
    )


@click.command()
@click.option("--requests", default=400, show_default=True, help="Of both ways together, at each concurrency.")
@click.option("--kafka/--no-kafka", default=True, help="Publish the traces to a broker started for it.")
def main(requests: int, kafka: bool) -> None:
    """Print a line per figure."""
    click.echo(
        f"streams of {TOKENS} tokens, the first after {FIRST_S * 1e3:g} ms, then one every {TOKEN_S * 1e3:g} ms; whole"
        f" answers after {WHOLE_S * 1e3:g} ms; 5 alternatives per token"
    )
    with ExitStack() as stack:
        bootstrap = stack.enter_context(broker()) if kafka else None
        direct = stack.enter_context(upstream())
        through, process = stack.enter_context(tap(direct, bootstrap))
        for kind in ("whole", "stream"):
            load(direct, through, 40, 4, kind)
            for clients in (1, 8):
                measured(direct, through, process, requests, clients, kind)


if __name__ == "__main__":
    main()
