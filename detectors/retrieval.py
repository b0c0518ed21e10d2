"""What the retriever brought: how near, how clearly, whether it speaks of the question, and how old it is."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set

from detectors.score import Score, failed, insufficient, ok
from detectors.stems import EMPTY, WORD, Stems

_YEAR_S = 365.25 * 86400


def top_score(scores: Sequence[Sequence[float]]) -> list[Score]:
    """1 − the best similarity, negative ones counting 0. Scores of no similarity (BM25, logits) have no such scale.

    >>> [score.value for score in top_score([[0.25, 0.75]])]
    [0.25]
    """
    return [_top(own) for own in scores]


def gap(scores: Sequence[Sequence[float]]) -> list[Score]:
    """1 − (s₁ − s₂) / max(|s₁|, |s₂|) of the two best scores, on any scale: 1 where the two best are alike.

    >>> [score.value for score in gap([[8.0, 2.0, 4.0]])]
    [0.5]
    """
    return [_gap(own) for own in scores]


def overlap(questions: Sequence[str], held: Sequence[Set[str]], stems: Stems) -> list[Score]:
    """1 − the share of the question's content words, by stem, that the passages hold; ``held`` has their stems.

    >>> stems = Stems()
    >>> held = {stems[word] for word in "The bridge opened in 1932".split()}
    >>> [score.value for score in overlap(["Which bridges opened in 1932 or 1934?"], [held], stems)]
    [0.25]
    """
    return [_overlap(question, own, stems) for question, own in zip(questions, held, strict=True)]


def age(ages_s: Sequence[Sequence[float]]) -> list[Score]:
    """1 − 2^(−a / 1 year), a the age of the newest passage (seconds, negative ones counting 0).

    >>> [score.value for score in age([[365.25 * 86400, 9e9]])]
    [0.5]
    """
    return [_age(own) for own in ages_s]


def _top(own: Sequence[float]) -> Score:
    if not own:
        return insufficient("no scores of passages")
    wrong = next((score for score in own if not -1.0 <= score <= 1.0), None)
    if wrong is not None:
        return failed(f"scores of passages must be similarities from -1 to 1; got {wrong:g}")
    return ok(1 - max(0.0, *own))


def _gap(own: Sequence[float]) -> Score:
    if len(own) < 2:
        return insufficient(f"expected scores of at least 2 passages, got {len(own)}")
    if not all(map(math.isfinite, own)):
        return failed("scores of passages must be finite")
    second, first = sorted(own)[-2:]
    scale = max(abs(first), abs(second))
    # Halves, because the difference of two large floats of opposite sign is none.
    return ok(1 - min(1.0, 2 * (first / 2 - second / 2) / scale) if scale else 1.0)


def _overlap(question: str, held: Set[str], stems: Stems) -> Score:
    asked = {stem for word in WORD.findall(question) if (stem := stems[word]) not in EMPTY}
    if not asked:
        return insufficient("no content words in the question")
    if not held:
        return insufficient("no words in the passages")
    return ok(len(asked - held) / len(asked))


def _age(own: Sequence[float]) -> Score:
    if not own:
        return insufficient("no dates of passages")
    return ok(-math.expm1(-math.log(2) * max(0.0, min(own)) / _YEAR_S))
