"""Text that the tokenizer breaks into crumbs: rare words, scripts it hardly knows, noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.score import Score, failed, insufficient, ok
from detectors.stems import UNIT


@dataclass(frozen=True, slots=True)
class Tokenized:
    """An answer and how its tokenizer counted.

    Attributes:
        tokens: tokens of the answer.
        all_tokens: tokens that the next two are counted among: of the prompt and the answer.
        unknown: tokens outside the vocabulary; None where the producer does not tell.
        byte_fallback: tokens that are single bytes; None where the producer does not tell.
    """

    answer: str
    tokens: int | None
    all_tokens: int | None
    unknown: int | None
    byte_fallback: int | None


def fragmentation(found: Sequence[Tokenized]) -> list[Score]:
    """1 − w·(1 − u), w the words per token of the answer (at most 1), u the share of unknown and single-byte tokens.

    Half a token in each word is common in English (value 1/3); a value near 1 is text that the tokenizer does not know.

    >>> [score.value for score in fragmentation([Tokenized("one two three", 4, 10, 0, 5)])]
    [0.625]
    """
    return [_fragmentation(each) for each in found]


def _fragmentation(each: Tokenized) -> Score:
    if not each.tokens:
        return insufficient("no token count")
    words = len(each.answer.split()) if each.answer.isascii() else len(UNIT.findall(each.answer))
    if not words:
        return insufficient("no words in the answer")
    odd = (each.unknown or 0) + (each.byte_fallback or 0)
    among = max(each.all_tokens or 0, each.tokens)
    if odd > among:
        return failed(f"unknown and single-byte tokens must be among {among} tokens; got {odd}")
    return ok(1 - min(1.0, words / each.tokens) * (1 - odd / among))
