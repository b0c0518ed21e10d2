"""Consistency on SAC3 (arXiv 2311.01740): answers of a model, samples of the same question, and whether each is true.

Nothing is fitted here. Each figure is the mean over draws of n samples without replacement; the interval is a bootstrap
over questions of the first draw. A row of answer length stands beside every figure.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.scores.metrics import Array, Flags, auroc, auroc_within, interval
from detectors import consistency
from detectors.risk import POOL, risk
from detectors.score import Score
from detectors.stems import Stems

DRAWS = 20

Told = Sequence[consistency.Told]


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    answer: str
    samples: list[str]
    wrong: bool


def read_sac3(path: Path) -> list[Question]:
    """The questions of a file, with the samples that answer them as they were asked."""
    with gzip.open(path, "rt") as text:
        rows = json.load(text)
    return [
        Question(row["question"], row["generated_answer"][0], row["self_evaluations"], str(row["label"]) == "False")
        for row in rows
    ]


def pooled(told: Told) -> list[Score]:
    """``risk`` of traces that have nothing but samples."""
    found = {
        "consistency.agreement": consistency.agreement(told),
        "consistency.semantic_entropy": consistency.semantic_entropy(told),
    }
    return risk(found, POOL)


WAYS: Mapping[str, Callable[[Told], list[Score]]] = {
    "consistency.agreement": consistency.agreement,
    "consistency.semantic_entropy": consistency.semantic_entropy,
    "consistency.support": consistency.support,
    "risk": pooled,
}


def scored(
    questions: Sequence[Question], n: int, drawn: Sequence[Sequence[int]], score: Callable[[Told], list[Score]]
) -> Array:
    """The score of each question from its drawn samples; what has no value counts as the middle."""
    stems = Stems()
    told = [
        consistency.read(each.answer, [each.samples[i] for i in places[:n]], each.text, stems)
        for each, places in zip(questions, drawn, strict=True)
    ]
    return np.array([0.5 if found.value is None else found.value for found in score(told)])


def report(files: Sequence[Path]) -> None:
    for path in files:
        report_file(path, read_sac3(path))


def report_file(path: Path, questions: Sequence[Question]) -> None:
    wrong = np.array([each.wrong for each in questions])
    lengths = np.array([float(len(each.answer)) for each in questions])
    names = [each.text for each in questions]
    most = min(len(each.samples) for each in questions)
    print(f"{path.name}: {len(questions)} answers, {wrong.mean():.0%} wrong, {most} samples each")
    print(f"{'AUROC':30}{'n':>3}{'all':>8}{'95 % interval':>18}{'in length quintiles':>22}")
    row("answer length", 0, [lengths], (wrong, lengths, names))
    random = np.random.default_rng(0)
    draws = [[random.permutation(len(each.samples)).tolist() for each in questions] for _ in range(DRAWS)]
    for name, score in WAYS.items():
        for n in (3, 5, 10):
            if n <= most and not (score is consistency.semantic_entropy and n < consistency.ENTROPY_SAMPLES):
                found = [scored(questions, n, drawn, score) for drawn in (draws if n < most else draws[:1])]
                row(name, n, found, (wrong, lengths, names))
    began = time.process_time()
    scored(questions, 5, draws[0], consistency.agreement)
    print(
        f"agreement of 5 samples: {(time.process_time() - began) / len(questions) * 1e6:.0f} µs per trace (budget 1 ms)"
    )


def row(name: str, n: int, values: Sequence[Array], truth: tuple[Flags, Array, Sequence[str]]) -> None:
    wrong, lengths, names = truth
    low, high = interval(values[0], wrong, names)
    mean = np.mean([auroc(each, wrong) for each in values])
    within = np.mean([auroc_within(each, wrong, lengths) for each in values])
    print(f"{name:30}{n or '':>3}{mean:8.3f}{f'{low:.3f}-{high:.3f}':>18}{within:22.3f}", flush=True)
