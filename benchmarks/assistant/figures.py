"""What is said of a build's answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.assistant.answering import Answer
from detectors.abstention import abstention
from detectors.groundedness import Model, grounding
from training.assistant.corpus import Exchange


@dataclass(frozen=True, slots=True)
class Figures:
    """Of answers to known questions.

    Attributes:
        exact: Share of answerable questions answered word for word as the passage has it.
        f1: Mean token F1 with that sentence, as SQuAD counts it.
        right_to_abstain: Share of all questions where "I don't know" was said just when the passages lack the answer.
        abstained: Share of all questions that were answered with "I don't know".
        grounding: Mean of the shipped score over answers that claim something: 0 grounded, 1 made up.
        ungrounded: Share of all answers whose score is above 0.5.
        surprisal: Mean nats per token.
        ended: Share of answers that came to an end.
    """

    exact: float
    f1: float
    right_to_abstain: float
    abstained: float
    grounding: float
    ungrounded: float
    surprisal: float
    ended: float


def figures(rows: Sequence[Exchange], answers: Sequence[Answer], model: Model) -> Figures:
    texts = [answer.text for answer in answers]
    refusals = abstention(texts)
    declined = np.array([score.value == 1.0 for score in refusals])
    answerable = np.array([row.answerable for row in rows])
    exact = np.array([words(text) == words(row.answer) for row, text in zip(rows, texts, strict=True)])
    overlap = np.array([token_f1(text, row.answer) for row, text in zip(rows, texts, strict=True)])
    scores = grounding(
        texts, [row.passages for row in rows], model, questions=[row.question for row in rows], declined=refusals
    )
    judged = np.array([np.nan if score.value is None else score.value for score in scores])
    claims = judged[~declined & ~np.isnan(judged)]
    return Figures(
        exact=float(exact[answerable].mean()),
        f1=float(overlap[answerable].mean()),
        right_to_abstain=float((declined != answerable).mean()),
        abstained=float(declined.mean()),
        grounding=float(claims.mean()) if len(claims) else float("nan"),
        ungrounded=float((claims > 0.5).sum() / len(rows)),
        surprisal=float(-np.concatenate([answer.logprob for answer in answers]).mean()),
        ended=float(np.mean([answer.ended for answer in answers])),
    )


def words(text: str) -> list[str]:
    return re.findall(r"\w+(?:[.,]\d+)*", text.lower())


def token_f1(said: str, expected: str) -> float:
    """Harmonic mean of the shares of words that both have (SQuAD, arXiv 1606.05250).

    >>> token_f1("kept for 45 days", "It is kept for 30 days.")
    0.6
    """
    ours, theirs = Counter(words(said)), Counter(words(expected))
    both = (ours & theirs).total()
    return 2 * both / (ours.total() + theirs.total()) if both else 0.0
