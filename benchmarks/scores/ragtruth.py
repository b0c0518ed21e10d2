"""Groundedness on the question answering part of RAGTruth (arXiv 2401.00396), and the speed of the lexical scores.

Nothing is fitted here. A row of answer length stands beside every figure, because length alone tells much.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.scores import labelled, shipped
from benchmarks.scores.metrics import Array, Flags, auroc, auroc_within
from detectors import abstention, grounding
from detectors.score import Score
from monitor.inference.grounding import shipped_grounding


@dataclass(frozen=True, slots=True)
class Corpus:
    """Answers with their passages, and whether people found a hallucinated span in them."""

    answers: list[str]
    passages: list[list[str]]
    questions: list[str]
    models: list[str]
    hallucinated: Flags


def read_ragtruth(answers: Path, told: Path) -> Corpus:
    """The answers, in the order of the file, with what their sources say."""
    with gzip.open(told, "rt") as lines:
        sources = {row["source_id"]: row["source_info"] for row in map(json.loads, lines)}
    with gzip.open(answers, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    context = {
        name: [passage for passage in re.split(r"passage \d+:", source["passages"]) if passage.strip()]
        for name, source in sources.items()
    }
    return Corpus(
        answers=[row["response"] for row in rows],
        passages=[context[row["source_id"]] for row in rows],
        questions=[sources[row["source_id"]]["question"] for row in rows],
        models=[row["model"] for row in rows],
        hallucinated=np.array([bool(row["labels"]) for row in rows]),
    )


def novel_words(corpus: Corpus) -> Array:
    """The peer without a model: how many content words of the answer the context does not hold."""
    found = zip(corpus.answers, corpus.passages, corpus.questions, strict=True)
    return np.array(
        [float(sum(len(claim.novel) for claim in grounding.claims(*one))) for one in found], dtype=np.float64
    )


def report_ragtruth(corpus: Corpus) -> None:
    """Print the figures of ``grounding.lexical`` beside answer length and the count of novel words."""
    began = time.process_time()
    scores = grounding.lexical(corpus.answers, corpus.passages, questions=corpus.questions)
    rate = len(scores) / (time.process_time() - began)
    scored = np.array([score.value is not None for score in scores])
    lengths = np.array([float(len(answer)) for answer in corpus.answers])
    # An answer that only declines claims nothing: where all answers are ranked, it ranks last.
    columns = {
        "answer length": lengths,
        "count of novel words": novel_words(corpus),
        "grounding.lexical": np.array([score.value or 0.0 for score in scores]),
    }
    print(
        f"RAGTruth QA: {len(scores)} answers, {corpus.hallucinated.mean():.0%} hallucinated, {(~scored).sum()} declined"
    )
    print(f"{'AUROC':24}{'all':>8}{'scored':>8}{'in length quintiles':>22}")
    for name, column in columns.items():
        figures = auroc(column, corpus.hallucinated), auroc(column[scored], corpus.hallucinated[scored])
        within = auroc_within(column, corpus.hallucinated, lengths)
        print(f"{name:24}{figures[0]:8.3f}{figures[1]:8.3f}{within:22.3f}")
    for model in sorted(set(corpus.models)):
        own = np.array([name == model for name in corpus.models])
        by_score = [f"{name} {auroc(column[own], corpus.hallucinated[own]):.3f}" for name, column in columns.items()]
        print(f"  {model:22}" + "  ".join(by_score))
    print(f"grounding.lexical: {rate:,.0f} traces/s, {1e6 / rate:.0f} µs per trace (target ≥ 1,000/s)")


def report_speed(answers: list[str]) -> None:
    """Print the time per text of 600 characters of the cue scores."""
    texts = [(answer + " ") * (600 // (len(answer) + 1) + 1) for answer in answers]
    texts = [text[:600] for text in texts]
    cues: tuple[Callable[[list[str]], list[Score]], ...] = (abstention.abstention, abstention.hedging)
    for cue in cues:
        began = time.process_time()
        cue(texts)
        print(f"{cue.__name__}: {(time.process_time() - began) / len(texts) * 1e6:.1f} µs per text (budget 15 µs)")


def report(files: Sequence[Path]) -> None:
    """Print every figure."""
    corpus = read_ragtruth(*files)
    report_ragtruth(corpus)
    report_speed(corpus.answers)
    print("\nThe trained model")
    seen = shipped.trained_on(files)
    model, rows = shipped_grounding(), labelled.read_ragtruth(*files)
    found = shipped.judged(rows, model)
    shipped.report_whole(rows, shipped.values_of(found), model)
    shipped.report_spans(rows, found)
    shipped.report_passages(rows, model)
    if seen and (values := shipped.out_of_fold(rows)) is not None:
        print("\nThe same heads, each answer judged by those that had not seen its source")
        shipped.report_whole(rows, values, model)
