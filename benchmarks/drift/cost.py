"""CPU per trace and memory per segment, of ours and of the peers.

The installation: 3 embeddings of 384 dimensions, 20 numbers, and 200 segments of which each trace is in four (all
traffic, its build, its template, its tenant). Folding is what the consumer does; judging is what a pane costs later.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift import ours, peers
from benchmarks.drift.laws import Law, Topics
from benchmarks.drift.results import Plan, Report, Row
from benchmarks.drift.streams import REFERENCE, Block, sample
from benchmarks.drift.traffic import Independent, Labels

EMBEDDINGS, NUMBERS, SEGMENTS = 3, 20, 200
BATCH = 512
PANE = 256  # traces of a segment in one judged pane


def measure(_laws: Sequence[Law], plan: Plan, report: Report, interpreter: Path | None) -> list[Row]:
    """A row per figure."""
    rows = [*_engine(plan), *_verdict(plan)]
    for row in rows:
        report(f"{row['figure']}: {row['value']:.4g} {row['unit']}")
    if interpreter is None:
        report("no peers: give --peers or DRIFTWARDEN_PEERS, the interpreter of their environment (see peers.txt)")
        return rows
    return rows + _peers(plan, interpreter)


def cpu_seconds(run: Callable[[], object], repeats: int) -> float:
    """Median CPU-seconds of a call, after one that warms up."""
    run()
    spent = []
    for _ in range(repeats):
        began = time.process_time()
        run()
        spent.append(time.process_time() - began)
    return statistics.median(spent)


def columns(n: int, seed: int) -> dict[str, NDArray[np.floating]]:
    """One column per signal."""
    random = np.random.default_rng(seed)
    vectors = {f"embedding {i}": sample(Topics(), Independent(), n, seed=(seed, i)).column for i in range(EMBEDDINGS)}
    return vectors | {f"number {i}": random.lognormal(size=n) for i in range(NUMBERS)}


def membership(n: int, random: np.random.Generator) -> tuple[Labels, Labels]:
    """Groups and rows of ``n`` traces in four segments each: the first is all traffic."""
    chosen = np.column_stack(
        [np.zeros(n), 1 + random.integers(0, 9, n), 10 + random.integers(0, 30, n), 40 + random.integers(0, 160, n)]
    ).astype(np.int64)
    return chosen.ravel(), np.repeat(np.arange(n), chosen.shape[1])


def _engine(plan: Plan) -> list[Row]:
    """Folding, judging and memory."""
    repeats = 3 if plan.quick else 15
    kinds = {name: "vector" if name.startswith("embedding") else "scalar" for name in columns(2, 0)}
    site = ours.fit_site(columns(REFERENCE, 0), kinds)
    batch = columns(BATCH, 1)
    groups, rows = membership(BATCH, np.random.default_rng(0))
    fold = cpu_seconds(lambda: ours.fold_site(site, batch, groups, rows, segments=SEGMENTS), repeats) / BATCH
    traces = columns(PANE, 2)
    pane = ours.fold_site(site, traces, np.zeros(PANE, np.int64), np.arange(PANE), segments=1)[0]
    monitors = ours.judge_site(site, {}, pane)
    judge = cpu_seconds(lambda: ours.judge_site(site, monitors, pane), repeats) / PANE
    name = "embedding 0"
    part = pane[site.stack.slices()[name]]
    figures = [
        ("folding, 3 embeddings + 20 numbers + 4 of 200 segments", fold * 1e6, "µs CPU per trace"),
        (f"judging 23 signals of a segment, panes of {PANE} traces", judge * 1e6, "µs CPU per trace and segment"),
        ("state of one embedding of a segment: monitor", ours.kept_bytes(monitors[name]) / 1024, "KiB"),
        ("state of one embedding of a segment: open pane", ours.kept_bytes(part) / 1024, "KiB"),
        ("reference of one embedding", ours.kept_bytes(site.references[name]) / 1024, "KiB"),
    ]
    return [{"figure": figure, "who": "ours", "value": value, "unit": unit} for figure, value, unit in figures]


def _verdict(plan: Plan) -> list[Row]:
    """A verdict on 1,000 embeddings against 5,000, of which the reference is fitted before."""
    law = Topics()
    reference = sample(law, Independent(), REFERENCE, seed=(17, 0))
    window = sample(law, Independent(), 1_000, seed=(17, 1))
    test = ours.window_test(reference, "vector", seed=0)
    fitted = ours.fit(reference, "vector", pane=1_000, seed=0)

    def sequential(window: Block = window) -> object:
        return ours.evidence([ours.Task(fitted, ours.fold(fitted, window, pane=1_000))])

    repeats = 3 if plan.quick else 15
    return [
        {
            "figure": "verdict on 1,000 embeddings against 5,000", "who": who, "value": 1e3 * cpu_seconds(run, repeats),
            "unit": "ms CPU",
        }
        for who, run in ((ours.WINDOW_TEST, lambda: test(window)), (ours.ENGINE, sequential))
    ]  # fmt: skip


def _peers(plan: Plan, interpreter: Path) -> list[Row]:
    """CPU per trace of streaming detectors, and of Evidently's report."""
    random = np.random.default_rng(0)
    vectors = sample(Topics(), Independent(), REFERENCE + 1_000, seed=(17, 2)).column
    jobs = peers.Jobs({}, [])
    jobs.add("numbers", random.standard_normal(REFERENCE))
    jobs.add("number stream", random.standard_normal((1, 500 if plan.quick else 5_000)))
    jobs.add("vectors", vectors[:REFERENCE])
    jobs.add("vector stream", vectors[None, REFERENCE : REFERENCE + 150])
    jobs.add("window", vectors[REFERENCE:])
    asked = [
        ("river ADWIN", "number", 1e-9), ("river KSWIN", "number", 1e-12), ("river PageHinkley", "number", 1e9),
        ("alibi-detect online CVM", "number", 1e4), ("frouros incremental KS", "number", 0.0),
        ("frouros streaming MMD", "vector", np.inf),
    ]  # fmt: skip
    if plan.quick:
        asked = asked[:3]
    for method, kind, never in asked:
        jobs.ask(stream=method, parameter=never, reference=f"{kind}s", data=f"{kind} stream")
    jobs.ask(report="evidently", reference="vectors", data="window")
    told = peers.answers(jobs, interpreter)
    rows: list[Row] = []
    for (method, kind, _), answer in zip(asked, told, strict=False):
        row = {"figure": f"one {kind}, streaming", "who": method, "unit": f"µs CPU per {kind}"}
        missing = {"missing": answer.get("missing")}
        rows.append(row | (missing if "missing" in answer else {"value": answer["seconds"] * 1e6}))
    row = {"figure": "report on 1,000 embeddings against 5,000", "who": "evidently", "unit": "ms CPU"}
    missing = {"missing": told[-1].get("missing")}
    return [*rows, row | (missing if "missing" in told[-1] else {"value": told[-1]["seconds"] * 1e3})]
