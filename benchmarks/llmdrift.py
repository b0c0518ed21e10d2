"""How soon the drift engine finds GPT-4's and GPT-3.5's change from March to June 2023, and how seldom it cries wolf.

Run: ``python -m benchmarks.llmdrift``. Answers: LLMDrift OPINIONQA (Chen, Zaharia and Zou, arXiv 2307.09009), from
``DRIFTWARDEN_SHARED_DATA`` or ``../shared/data``. March is the reference; June is diluted into March.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors.base import Features, Labels, summarise
from detectors.reference import Kind, Reference, fit_references, fit_stack
from detectors.sequential import advance, start
from detectors.stack import Stack
from monitor.inference.build import cached_minilm
from monitor.inference.encoder import Encoder

PANE = 16
THRESHOLD = 1e4
KINDS: dict[str, Kind] = {
    "response.tokens": "scalar",
    "response.characters": "scalar",
    "response.embedding": "vector",
    "prompt.embedding": "vector",
    "relation": "relation",
}


@dataclass(frozen=True, slots=True)
class Answers:
    """One snapshot of one model: a column per signal, all of the same prompts."""

    columns: Mapping[str, Any]
    count: int

    def take(self, rows: Labels) -> dict[str, Any]:
        """The given rows of every column."""
        return {name: column[rows] for name, column in self.columns.items()}


@dataclass(frozen=True, slots=True)
class Fitted:
    """A reference, and every answer of both snapshots as features; ``fresh`` are March's rows that shaped no map."""

    stack: Stack
    references: Mapping[str, Reference]
    fresh: Labels
    march: Features
    june: Features


def data_folder() -> Path:
    """Where the labelled data lies."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("DRIFTWARDEN_SHARED_DATA") or beside)


def read_rows(folder: Path) -> list[dict[str, str]]:
    """Every answer of OPINIONQA."""
    with gzip.open(folder / "llmdrift" / "OPINIONQA_EVAL.csv.gz", "rt", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def embed(rows: Sequence[Mapping[str, str]], encoder: Encoder) -> dict[str, np.ndarray]:
    """The embedding of every prompt and answer."""
    texts = sorted({row["query"] for row in rows} | {row["answer"] for row in rows})
    return dict(zip(texts, encoder.encode(texts), strict=True))


def snapshot(rows: Sequence[Mapping[str, str]], vectors: Mapping[str, np.ndarray], build: str) -> Answers:
    """The answers of one build, ordered by prompt."""
    mine = sorted((row for row in rows if row["model"].endswith(build)), key=lambda row: row["query"])
    prompts = np.array([vectors[row["query"]] for row in mine])
    responses = np.array([vectors[row["answer"]] for row in mine])
    columns = {
        "response.tokens": np.array([float(row["answer_token"]) for row in mine]),
        "response.characters": np.array([float(len(row["answer"])) for row in mine]),
        "response.embedding": responses,
        "prompt.embedding": prompts,
        "relation": np.hstack([prompts, responses]),
    }
    return Answers(columns, len(mine))


def prepare(march: Answers, june: Answers, rows: Labels, *, seed: int) -> Fitted:
    """Fit on the given rows of March."""
    stack, centring = fit_stack(march.take(rows), KINDS, seed=seed)
    features = stack.apply(march.columns)
    references = fit_references(stack, features[rows], centring)
    shaping = np.setdiff1d(rows, rows[centring["relation"]])
    fresh = np.setdiff1d(np.arange(march.count), shaping)
    return Fitted(stack, references, fresh, features, stack.apply(june.columns))


def mixed(fitted: Fitted, rows: Labels, *, share: float, random: np.random.Generator) -> Iterator[Features]:
    """Panes of which June makes up ``share``, the rest drawn from ``rows`` of March; endless."""
    while True:
        from_june = random.random(PANE) < share
        march = fitted.march[random.choice(rows, PANE)]
        june = fitted.june[random.integers(0, len(fitted.june), PANE)]
        yield np.where(from_june[:, None], june, march)


def once(fitted: Fitted, rows: Labels) -> Iterator[Features]:
    """Panes of the given rows of March in their order, each row once."""
    for begin in range(0, len(rows), PANE):
        yield fitted.march[rows[begin : begin + PANE]]


def traces_until_found(fitted: Fitted, panes: Iterator[Features], *, limit: int) -> dict[str, float]:
    """Traces that each signal needs for its alarm; infinity when ``limit`` traces were not enough."""
    slices = fitted.stack.slices()
    monitors = {name: start(reference) for name, reference in fitted.references.items()}
    found = dict.fromkeys(monitors, float("inf"))
    seen = 0
    for features in panes:
        seen += len(features)
        if seen > limit or not monitors:
            break
        pane = summarise(features)
        for name in list(monitors):
            reference = fitted.references[name]
            monitors[name], evidence = advance(monitors[name], reference, pane[slices[name]], threshold=THRESHOLD)
            if evidence.drifted:
                found[name] = float(seen)
                del monitors[name]
    return found


def report(title: str, runs: Sequence[Mapping[str, float]]) -> None:
    """Print the median delay of each signal and how often it was found."""
    cells = []
    for name in KINDS:
        delays = np.array([run[name] for run in runs])
        finite = np.isfinite(delays).sum()
        middle = np.quantile(delays, 0.5, method="inverted_cdf")
        cells.append(f"{middle:8.0f} ({finite:3d}/{len(delays)})")
    print(f"{title:34s}", *cells, flush=True)


def measure(model: str, march: Answers, june: Answers, arguments: argparse.Namespace) -> None:
    """Every row of the table for one model."""
    for size in ("half", "all"):
        for share in arguments.shares:
            runs = []
            for seed in range(arguments.replays):
                random = np.random.default_rng(seed)
                order = random.permutation(march.count)
                half = march.count // 2
                fitted = prepare(march, june, order[:half] if size == "half" else order, seed=seed)
                pool = order[half:] if size == "half" else fitted.fresh
                panes = mixed(fitted, pool, share=share, random=random)
                runs.append(traces_until_found(fitted, panes, limit=arguments.limit))
            report(f"{model} {size} {share:.0%}", runs)
    runs = []
    for seed in range(arguments.nulls):
        order = np.random.default_rng(1_000 + seed).permutation(march.count)
        half = march.count // 2
        fitted = prepare(march, june, order[:half], seed=seed)
        runs.append(traces_until_found(fitted, once(fitted, order[half:]), limit=march.count))
    report(f"{model} March half against half", runs)
    for drawn_from in ("all", "the other half"):
        runs = []
        for seed in range(arguments.long_nulls):
            random = np.random.default_rng(2_000 + seed)
            order = random.permutation(march.count)
            half = march.count // 2
            fitted = prepare(march, june, order[:half], seed=seed)
            rows = fitted.fresh if drawn_from == "all" else order[half:]
            panes = mixed(fitted, rows, share=0.0, random=random)
            runs.append(traces_until_found(fitted, panes, limit=arguments.long_limit))
        report(f"{model} March, long, from {drawn_from}", runs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replays", type=int, default=9)
    parser.add_argument("--nulls", type=int, default=60)
    parser.add_argument("--long-nulls", type=int, default=2)
    parser.add_argument("--long-limit", type=int, default=120_000)
    parser.add_argument("--limit", type=int, default=6_000)
    parser.add_argument("--shares", type=float, nargs="*", default=[1.0, 0.2, 0.1, 0.05])
    arguments = parser.parse_args()
    rows = read_rows(data_folder())
    vectors = embed(rows, Encoder.load(cached_minilm()))
    print("median traces until found (found/replays), panes of 16, threshold 10^4")
    print(f"{'':34s}", *(f"{name:>18s}" for name in KINDS))
    for model, before, after in (("gpt-4", "gpt-4-0314", "gpt-4-0613"), ("gpt-3.5", "turbo-0301", "turbo-0613")):
        measure(model, snapshot(rows, vectors, before), snapshot(rows, vectors, after), arguments)


if __name__ == "__main__":
    main()
