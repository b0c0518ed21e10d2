"""Degenerate answers: the same words over and over."""

from __future__ import annotations

import re
from collections.abc import Sequence

from detectors.score import Score, Span, insufficient, ok
from detectors.stems import UNIT

# Four words in a row repeat by chance in few good answers; seq-rep-4 of 1908.04319.
_GRAM = 4
_WORD = re.compile(r"\S+")
# Of so few words nothing is told.
_FEWEST = 2 * _GRAM


def repetition(answers: Sequence[str]) -> list[Score]:
    """The share of runs of four words that stood in the answer before; the spans are the stretches they cover.

    >>> [round(score.value, 3) for score in repetition(["To be or not to be, that is the question.", "no " * 20])]
    [0.0, 0.941]
    """
    return [_repetition(answer) for answer in answers]


def _repetition(answer: str) -> Score:
    words = answer.split()
    if not words:
        return insufficient("empty answer")
    pattern = _WORD
    if not answer.isascii() and len(answer) > 12 * len(words):
        pattern = UNIT
        words = pattern.findall(answer)
    # A run that comes again brings four words that were there before, even where it overlaps the first.
    if len(words) < _FEWEST or len(words) - len(set(words)) < _GRAM:
        return ok(0.0)
    grams = list(zip(words, words[1:], words[2:], words[3:], strict=False))
    repeats = len(grams) - len(set(grams))
    return ok(repeats / len(grams), _stretches(answer, grams, pattern)) if repeats else ok(0.0)


def _stretches(answer: str, grams: Sequence[tuple[str, ...]], pattern: re.Pattern[str]) -> tuple[Span, ...]:
    """What the repeated runs cover, runs that overlap or touch joined."""
    places = [match.span() for match in pattern.finditer(answer)]
    seen: set[tuple[str, ...]] = set()
    spans: list[Span] = []
    covered = -1  # the last word that the last span holds
    for at, gram in enumerate(grams):
        if gram in seen:
            start = spans.pop()[0] if at <= covered + 1 and spans else places[at][0]
            covered = at + _GRAM - 1
            spans.append((start, places[covered][1]))
        seen.add(gram)
    return tuple(spans)
