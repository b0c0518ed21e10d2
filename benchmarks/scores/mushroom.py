"""Spans on Mu-SHROOM (SemEval-2025 task 3, arXiv 2504.11975): answers in ten languages, hallucinated characters marked.

The measures are the task's own: intersection over union of the marked characters, and Spearman's correlation with the
share of annotators who marked each. Producers there give raw logits, which say little and must not be taken for
log-probabilities: what the scores refuse is counted, and what believing it would give stands beside it. There is no
context, so words can only be compared with the question. Nothing is fitted.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import rankdata, spearmanr

from benchmarks.scores.metrics import Array, Flags, auroc
from detectors import grounding, uncertainty
from detectors.tokens import offsets, sentences


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of ``c`` characters and ``t`` tokens; ``starts`` is where each token begins, if that can be told."""

    question: str
    text: str
    tokens: Sequence[str]
    numbers: Array
    starts: Sequence[int] | None
    marked: Flags
    share: Array

    def by_character(self, values: Array) -> Array:
        """Values per token as values per character; 0 where no token stands."""
        found = np.zeros(len(self.text))
        if self.starts is not None:
            ends = [*self.starts[1:], len(self.text)]
            for value, start, end in zip(values, self.starts, ends, strict=True):
                found[start:end] = value
        return found


Predict = Callable[[Answer], Array]


def read_mushroom(path: Path) -> list[Answer]:
    with gzip.open(path, "rt") as lines:
        return [answer(json.loads(line)) for line in lines]


def answer(row: Mapping[str, object]) -> Answer:
    text, tokens = str(row["model_output_text"]), [str(token) for token in row["model_output_tokens"]]
    marked, share = np.zeros(len(text), bool), np.zeros(len(text))
    for start, end in row["hard_labels"]:
        marked[start:end] = True
    for span in row["soft_labels"]:
        share[span["start"] : span["end"]] = span["prob"]
    numbers = np.array(row["model_output_logits"], float)
    starts = offsets(text, tokens) if len(tokens) == len(numbers) else None
    return Answer(str(row["model_input"]), text, tokens, numbers, starts, marked, share)


def union_share(predicted: Flags, marked: Flags) -> float:
    """Intersection over union of characters; 1 where both are empty."""
    either = int((predicted | marked).sum())
    return int((predicted & marked).sum()) / either if either else 1.0


def correlation(predicted: Array, share: Array) -> float:
    """Spearman's, as the task has it: where one side is constant, 1 if both are and else 0."""
    flat = len(set(predicted.tolist())) <= 1, len(set(share.tolist())) <= 1
    return float(all(flat)) if any(flat) else float(spearmanr(predicted, share).statistic)


def everything(found: Answer) -> Array:
    return np.ones(len(found.text))


def nothing(found: Answer) -> Array:
    return np.zeros(len(found.text))


def believed(found: Answer) -> Array:
    """The numbers as if they were log-probabilities: rank of surprisal within the answer."""
    return found.by_character(rankdata(-found.numbers) / len(found.numbers))


def accepted(found: Answer) -> Array:
    """1 − p per token where the numbers are taken for log-probabilities; nothing where they are refused."""
    (complaint,) = uncertainty.surprisals([found.numbers]).complaints
    return found.by_character(-np.expm1(found.numbers)) if complaint is None else nothing(found)


def peak_sentence(found: Answer) -> Array:
    """The span of ``uncertainty.peak``."""
    nll = uncertainty.surprisals([found.numbers])
    (score,) = uncertainty.peak(nll, [sentences(found.text, found.tokens)])
    return spans(found, score.spans)


def novel_words(found: Answer) -> Array:
    """The content words that the question does not hold."""
    return spans(found, [span for claim in grounding.claims(found.text, [], found.question) for span in claim.novel])


def spans(found: Answer, marks: Sequence[tuple[int, int]]) -> Array:
    values = nothing(found)
    for start, end in marks:
        values[start:end] = 1.0
    return values


WAYS: Mapping[str, Predict] = {
    "mark everything": everything,
    "mark nothing": nothing,
    "logits believed": believed,
    "log-probabilities accepted": accepted,
    "uncertainty.peak, its sentence": peak_sentence,
    "words not of the question": novel_words,
}


def report(files: Sequence[Path]) -> None:
    answers = {path.name.split(".")[1].split("-")[0]: read_mushroom(path) for path in files}
    print(f"{'':12}{'answers':>8}{'refused':>8}{'laid out':>9}{'token AUROC of the numbers, as they are':>42}")
    for name, own in answers.items():
        refused = sum(score.status == "error" for score in statuses(own))
        print(f"{name:12}{len(own):8}{refused:8}{sum(a.starts is not None for a in own):9}{token_auroc(own):42.3f}")
    print(f"\n{'intersection over union':32}" + "".join(f"{name:>7}" for name in answers) + f"{'mean':>7}")
    for way, predict in WAYS.items():
        table(way, [np.mean([union_share(marks(predict(a)), a.marked) for a in own]) for own in answers.values()])
    print(f"\n{'correlation':32}" + "".join(f"{name:>7}" for name in answers) + f"{'mean':>7}")
    for way, predict in WAYS.items():
        table(way, [np.mean([correlation(predict(a), a.share) for a in own]) for own in answers.values()])


def statuses(answers: Sequence[Answer]) -> list[uncertainty.Score]:
    return uncertainty.mean_nll(uncertainty.surprisals([found.numbers for found in answers]))


def marks(values: Array) -> Flags:
    """Characters above the mean of their answer; all of them where none is and the value is not 0."""
    return values > values.mean() if len(set(values.tolist())) > 1 else values > 0


def token_auroc(answers: Sequence[Answer]) -> float:
    """Of marked tokens against others by their surprisal, pooled over answers."""
    laid = [found for found in answers if found.starts is not None]
    wrong = np.concatenate([touched(found) for found in laid])
    return auroc(np.concatenate([-found.numbers for found in laid]), wrong)


def touched(found: Answer) -> Flags:
    """The tokens that hold a marked character."""
    starts = list(found.starts or ())
    ends = [*starts[1:], len(found.text)]
    return np.array([bool(found.marked[start:end].any()) for start, end in zip(starts, ends, strict=True)])


def table(way: str, figures: Sequence[float]) -> None:
    print(f"{way:32}" + "".join(f"{figure:7.3f}" for figure in figures) + f"{np.mean(figures):7.3f}", flush=True)
