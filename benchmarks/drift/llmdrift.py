"""How soon GPT-4's and GPT-3.5's change from March to June 2023 is found, and how seldom March alarms against itself.

Answers: LLMDrift OPINIONQA (Chen, Zaharia and Zou, arXiv 2307.09009), of the same prompts. March is the reference; June
is diluted into March. Panes of 16 at the stated level of one false alarm in 10⁴ panes. March is drawn from the rows
that shaped no feature map, with replacement, since there are 753 of it; where one half is judged against the other
without any change, each answer comes once.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift import ours, runlength
from benchmarks.drift.arl import PANE
from benchmarks.drift.delay import ARL
from benchmarks.drift.laws import Kind
from benchmarks.drift.results import Plan, Report, Row
from benchmarks.drift.streams import Block
from benchmarks.drift.texts import data_folder, embedded
from benchmarks.drift.traffic import Labels

KINDS: Mapping[str, Kind] = {
    "response.tokens": "scalar",
    "response.characters": "scalar",
    "response.embedding": "vector",
    "prompt.embedding": "vector",
    "relation": "relation",
}
MODELS = (("gpt-4", "gpt-4-0314", "gpt-4-0613"), ("gpt-3.5", "turbo-0301", "turbo-0613"))
SHARES = (1.0, 0.2, 0.1, 0.05)
LIMIT = 6_000  # traces
LONG = 120_000

Column = NDArray[np.generic]


def measure(_laws: Sequence[object], plan: Plan, report: Report) -> list[Row]:
    """A row per model, size of the reference, dilution and signal; a dilution of zero is March against March."""
    path = data_folder() / "llmdrift" / "OPINIONQA_EVAL.csv.gz"
    if not path.exists():
        report(f"no answers at {path}: set DRIFTWARDEN_SHARED_DATA")
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        answers = list(csv.DictReader(lines))
    rows: list[Row] = []
    for model, before, after in MODELS:
        march, june = (snapshot(answers, build, report) for build in (before, after))
        for signal, kind in KINDS.items():
            made = _signal(march[signal], june[signal], kind, plan)
            rows += [{"model": model, "signal": signal} | row for row in made]
            report(f"{model}, {signal}: " + "; ".join(_told(row) for row in made))
    return rows


def snapshot(answers: Sequence[Mapping[str, str]], build: str, report: Report) -> dict[str, Column]:
    """The columns of one build, ordered by prompt."""
    mine = sorted((row for row in answers if row["model"].endswith(build)), key=lambda row: row["query"])
    prompts, responses = (embedded([row[name] for row in mine], report) for name in ("query", "answer"))
    return {
        "response.tokens": np.array([float(row["answer_token"]) for row in mine]),
        "response.characters": np.array([float(len(row["answer"])) for row in mine]),
        "response.embedding": responses,
        "prompt.embedding": prompts,
        "relation": np.hstack([prompts, responses]),
    }


def _signal(march: Column, june: Column, kind: Kind, plan: Plan) -> list[Row]:
    replays, nulls, longs = (2, 4, 1) if plan.quick else (15, 100, 3)
    rows: list[Row] = []
    for size in ("all", "half"):
        for share in SHARES:
            found = [_replay(march, june, kind, size=size, share=share, limit=LIMIT, seed=i) for i in range(replays)]
            rows.append(_row(size, share, found, LIMIT))
        short = LIMIT if size == "all" else len(march) - len(march) // 2
        found = [_replay(march, june, kind, size=size, share=0.0, limit=short, seed=1_000 + i) for i in range(nulls)]
        rows.append(_row(size, 0.0, found, short))
        limit = LONG // 20 if plan.quick else LONG
        found = [_replay(march, june, kind, size=size, share=0.0, limit=limit, seed=2_000 + i) for i in range(longs)]
        rows.append(_row(size, 0.0, found, limit))
    return rows


def _replay(march: Column, june: Column, kind: Kind, *, size: str, share: float, limit: int, seed: int) -> float:
    """Traces until found with the reference of all of March or of a half of it; infinite beyond the limit.

    The stream's March is that of the reference, or the other half.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(march))
    known = order if size == "all" else order[: len(march) // 2]
    fitted = ours.fit(_block(march[known]), kind, pane=PANE, seed=seed)
    pool = known[fitted.fresh] if size == "all" else order[len(march) // 2 :]
    rows = pool if limit == len(pool) else pool[random.integers(0, len(pool), limit)]
    column: Any = march[rows]
    if share > 0.0:
        changed = random.random(limit) < share
        column[changed] = june[random.integers(0, len(june), int(changed.sum()))]
    threshold = ours.log_threshold(ARL)
    panes = ours.fold(fitted, _block(column), pane=PANE)
    passed = runlength.first_passage(ours.evidence([ours.Task(fitted, panes)], stop=threshold)[0], threshold)
    return np.inf if passed is None else float((passed + 1) * PANE)


def _row(size: str, share: float, found: Sequence[float], limit: int) -> Row:
    return {
        "reference": size,
        "share": share,
        "replays": len(found),
        "limit": limit,
        "found": int(np.isfinite(found).sum()),
        "median": float(np.quantile(found, 0.5, method="inverted_cdf")),
        "range": [float(np.quantile(found, q, method="inverted_cdf")) for q in (0.1, 0.9)],
    }


def _told(row: Row) -> str:
    return f"{row['reference']} {row['share']:.0%} {row['median']:.0f} ({row['found']}/{row['replays']})"


def _block(column: Column) -> Block:
    number: Labels = np.arange(len(column))
    return Block(column, number, number / len(column))
