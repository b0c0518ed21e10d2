"""Answers to one question as pairs of a preferred and a rejected one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and what is known of it: ``bad`` by people, None where they did not say; ``score`` from 0 (good)."""

    id: str
    time: datetime
    build: str
    text: str
    bad: bool | None = None
    said_by: str | None = None
    correction: str | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to the same question, never of the same text; a correction has no trace of its own."""

    source: str
    chosen: str
    rejected: str
    chosen_of: Answer | None
    rejected_of: Answer


@dataclass(frozen=True, slots=True)
class Rules:
    """How pairs are made.

    Attributes:
        most: of one question, by labels, and again by scores.
        score: name of a score by which answers are compared too; None for what people said alone.
        margin: the least by which the rejected answer's score is worse.
    """

    most: int = 4
    score: str | None = None
    margin: float = 0.3


def pairs_of(answers: Sequence[Answer], rules: Rules, skipped: Counter[str]) -> Iterator[Pair]:
    """The pairs of one question: those of corrections, of labels, of scores; ``skipped`` counts contradictions.

    No pair comes twice, and none the other way round.
    """
    known: set[tuple[str, str]] = set()
    for pair in (*corrected(answers), *labelled(answers, rules.most, skipped), *scored(answers, rules)):
        key = (pair.chosen.strip(), pair.rejected.strip())
        if key[0] == key[1] or key in known:
            continue
        if key[::-1] in known:
            skipped["contradicted by another pair"] += 1
            continue
        known.add(key)
        yield pair


def corrected(answers: Sequence[Answer]) -> Iterator[Pair]:
    """What people wrote is preferred to what they wrote it for, unless somebody called that good later."""
    for answer in answers:
        if answer.correction is not None and answer.correction.strip() and answer.bad is not False:
            yield Pair("correction", answer.correction, answer.text, None, answer)


def labelled(answers: Sequence[Answer], most: int, skipped: Counter[str]) -> Iterator[Pair]:
    """Answers that people called good against those they called bad, each used once before any is used again."""
    good, bad = (distinct([each for each in answers if each.bad is wanted]) for wanted in (False, True))
    both = good.keys() & bad.keys()
    skipped["called good and bad"] += len(both)
    chosen = [each for text, each in good.items() if text not in both]
    rejected = [each for text, each in bad.items() if text not in both]
    for place in range(min(most, len(chosen) * len(rejected))):
        turn, row = divmod(place, max(len(chosen), len(rejected)))
        first = chosen[(row + (turn if len(chosen) < len(rejected) else 0)) % len(chosen)]
        second = rejected[(row + (turn if len(chosen) >= len(rejected) else 0)) % len(rejected)]
        yield Pair("label", first.text, second.text, first, second)


def scored(answers: Sequence[Answer], rules: Rules) -> Iterator[Pair]:
    """The best against the worst by a score, the next best against the next worst; what people said stands above it."""
    if rules.score is None:
        return
    ranked = sorted(distinct([each for each in answers if each.score is not None]).values(), key=worth)
    bad, good = ({each.text.strip() for each in answers if each.bad is wanted} for wanted in (True, False))
    best = [each for each in ranked if each.text.strip() not in bad]
    worst = [each for each in reversed(ranked) if each.text.strip() not in good]
    for first, second in list(zip(best, worst, strict=False))[: rules.most]:
        if worth(second)[0] - worth(first)[0] < rules.margin:
            return
        yield Pair(f"score {rules.score}", first.text, second.text, first, second)


def worth(answer: Answer) -> tuple[float, datetime, str]:
    return (1.0 if answer.score is None else answer.score, answer.time, answer.id)


def distinct(answers: Sequence[Answer]) -> dict[str, Answer]:
    """The first answer of each text."""
    found: dict[str, Answer] = {}
    for answer in answers:
        found.setdefault(answer.text.strip(), answer)
    return found
