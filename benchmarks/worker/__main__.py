"""The worker: batching, cache, traces, and a broker that is away. ``python -m benchmarks.worker [--only batching]``

One process and thread for the model, seeded weights (7 million), greedy answers of given lengths. Ways take turns, so
that a busy neighbour slows all of them alike; batching and cache are timed in CPU-seconds. Figures are medians of the
repeats, ratios medians of the ratios of each repeat. Served requests come from clients in another process.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import numpy as np

from benchmarks.worker.batching import ways_to_batch, with_cache, without_cache
from benchmarks.worker.model import LARGER, SHAPE, SLOTS, decoder, folder, mixed
from benchmarks.worker.paired import Pair, median_within, pairs
from benchmarks.worker.serving import Round, Served, nobody, served, sinks_at
from benchmarks.worker.tracing import per_trace, published_us

PARTS = ("batching", "cache", "trace", "tracing", "serving")


def in_turns(ways: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """CPU-seconds of each way, in every repeat: one thread does all of it."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            seconds[name].append(way())
    return seconds


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def batching(root: Path, repeats: int) -> None:
    work = mixed(64)
    tokens = sum(each.tokens for each in work)
    for export in ("growing", "shared"):
        model = decoder(folder(root, export))  # type: ignore[arg-type]
        found = in_turns(ways_to_batch(model, work), repeats)
        for name, seconds in found.items():
            click.echo(
                f"{export:8} {name:20} {tokens / statistics.median(seconds):7.0f} tokens per CPU-second;"
                f" continuous is {ratio(seconds, found['continuous']):.2f} times as fast"
            )


def cache(root: Path, repeats: int) -> None:
    prompt = np.random.default_rng(0).integers(0, 256, 64).tolist()
    for export in ("growing", "shared"):
        model = decoder(folder(root, export))  # type: ignore[arg-type]
        for count in (32, 128, 384):
            ways: dict[str, Callable[[], float]] = {
                "with": lambda model=model, count=count: with_cache(model, prompt, count),
                "without": lambda model=model, count=count: without_cache(model, prompt, count),
            }
            found = in_turns(ways, max(1, repeats // 2))
            with_s, without_s = (statistics.median(found[name]) for name in ("with", "without"))
            click.echo(
                f"{export:8} {count:4} tokens after 64: with cache {count / with_s:6.0f} tokens per CPU-second, without"
                f" {count / without_s:6.0f}, ratio {ratio(found['without'], found['with']):.1f}"
            )


def trace(root: Path, _repeats: int) -> None:
    model = decoder(folder(root, "shared"))
    for tokens in (64, 256):
        found = per_trace(model, tokens=tokens, repeats=2000)
        for name, value in found.items():
            unit = "bytes" if name == "bytes" else "µs of CPU"
            click.echo(f"{tokens:4} tokens, top 5, 3 passages: {name:38} {value:8.1f} {unit}")
    with broker() as bootstrap:
        if bootstrap is not None:
            for tokens in (64, 256):
                spent = published_us(model, sinks_at(bootstrap), tokens=tokens, rate=40, seconds=10)
                click.echo(f"{tokens:4} tokens, to Kafka at 40 traces/s: {'whole process':33} {spent:8.1f} µs of CPU")


@contextmanager
def broker() -> Iterator[str | None]:
    """A real Kafka of our own; None where it can't be started."""
    from monitor.dev import kafka
    from monitor.dev.processes import ServiceError
    from monitor.kafka import KafkaConfig, topics

    with tempfile.TemporaryDirectory(prefix="driftwarden-") as place:
        try:
            bootstrap = kafka.start(Path(place) / "kafka")
        except ServiceError as error:
            click.echo(f"no Kafka here ({error}): traces to a broker are left out")
            yield None
            return
        try:
            topics.ensure(KafkaConfig(bootstrap_servers=bootstrap))
            yield bootstrap
        finally:
            kafka.stop(Path(place) / "kafka")


def tracing(root: Path, repeats: int) -> None:
    with broker() as bootstrap:
        if bootstrap is None:
            return
        for shape, number, count in ((SHAPE, 6 * repeats, 120), (LARGER, 3 * repeats, 24)):
            with served(folder(root, "shared", shape), sinks_at(bootstrap)) as way:
                found = pairs(way, number, count=count, clients=SLOTS, tokens=64)
                traces = way.worker.traces
            click.echo(f"a model of {shape.layers} layers of width {shape.width}")
            tell_pairs(found)
            click.echo(f"traces {dict(traces.fates) if traces is not None else None}")


def tell_pairs(found: Sequence[Pair]) -> None:
    told = {
        "µs a request, all threads": [each.us_a_request for each in found],
        "µs a request, all threads but the model's": [each.us_beside_the_model for each in found],
        "% of a request, all threads but the model's": [each.percent_beside_the_model for each in found],
        "% tokens per CPU-second, all threads": [each.percent for each in found],
    }
    speed = statistics.median(each.without.tokens / each.without.all_s for each in found)
    click.echo(
        f"{len(found)} pairs of bursts of {found[0].requests} requests of 64 tokens by {SLOTS} clients, traced to"
        f" Kafka against untraced, CPU of the worker's process; untraced {speed:.0f} tokens per CPU-second"
    )
    for name, values in told.items():
        least, middle, most = median_within(values)
        click.echo(f"{name:44} {middle:+8.2f} in the median (95 % interval {least:+.2f} to {most:+.2f})")


def serving(root: Path, repeats: int) -> None:
    path = folder(root, "shared")
    with ExitStack() as stack:
        bootstrap = stack.enter_context(broker())
        ways = {"traces off": stack.enter_context(served(path, None))}
        if bootstrap is not None:
            ways["traces to Kafka"] = stack.enter_context(served(path, sinks_at(bootstrap)))
        ways["broker away"] = stack.enter_context(served(path, sinks_at(nobody())))
        rounds: dict[str, list[Round]] = {name: [] for name in ways}
        for way in ways.values():
            way.round(40, 4, 64)
        for repeat in range(3 * repeats):
            order = list(ways) if repeat % 2 else list(reversed(ways))
            for name in order:
                rounds[name].append(ways[name].round(60, 4, 64))
        for name, found in rounds.items():
            tell(name, found, rounds["traces off"], ways[name])


def tell(name: str, found: Sequence[Round], plain: Sequence[Round], way: Served) -> None:
    seconds = np.concatenate([each.seconds for each in found]) * 1e3
    speed = [each.tokens / each.all_s for each in found]
    speed_plain = [each.tokens / each.all_s for each in plain]
    cpu = [each.cpu_s / each.tokens * 1e6 for each in found]
    cpu_plain = [each.cpu_s / each.tokens * 1e6 for each in plain]
    failed = sum(each.failed for each in found)
    requests = sum(len(each.seconds) for each in found) + failed
    extra = statistics.median(a - b for a, b in zip(cpu, cpu_plain, strict=True)) * 64
    traces = way.worker.traces
    fates = "" if traces is None else f"; traces {dict(traces.fates)}"
    p50, p99 = np.quantile(seconds, (0.5, 0.99))
    # One pause of the machine is in the p99 of all, and in that of one burst.
    usual = statistics.median(float(np.quantile(each.seconds, 0.99)) * 1e3 for each in found)
    faster, dearer = (100 * (ratio(a, b) - 1) for a, b in ((speed, speed_plain), (cpu, cpu_plain)))
    click.echo(
        f"{name:16} {requests} requests, {failed} failed; p50 {p50:.1f} ms, p99 {p99:.1f} ms (median of"
        f" bursts {usual:.1f});"
        f" {statistics.median(speed):.0f} tokens/s ({faster:+.1f} %), {statistics.median(cpu):.0f} µs of CPU a token"
        f" ({dearer:+.1f} %, {extra:+.0f} µs a request){fates}"
    )


@click.command()
@click.option("--repeats", default=5, show_default=True)
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Parts to run; all of them unless given.")
def main(repeats: int, only: tuple[str, ...]) -> None:
    """Print a line per figure."""
    parts = {"batching": batching, "cache": cache, "trace": trace, "tracing": tracing, "serving": serving}
    with tempfile.TemporaryDirectory() as root:
        for name in only or PARTS:
            click.echo(f"-- {name}, {SLOTS} slots")
            parts[name](Path(root), repeats)


if __name__ == "__main__":
    main()
