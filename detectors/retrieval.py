"""What the retriever brought: how near, how clearly, whether it speaks of the question, and how old it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

from detectors.score import Score, failed, insufficient, ok
from detectors.stems import EMPTY, UNSPACED, WORD, Stems

_YEAR_S = 365.25 * 86400
# A question of more content words is a document; its first words tell enough, and the search stays bounded.
_ASKED = 64


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


def overlap(questions: Sequence[str], passages: Sequence[Sequence[str]], stems: Stems) -> list[Score]:
    """1 − the share of the question's first 64 content words that begin a word of any passage, compared by stem.

    >>> passages = ["The bridge opened in 1932."]
    >>> [score.value for score in overlap(["Which bridges opened in 1932 or 1934?"], [passages], Stems())]
    [0.25]
    """
    return [_overlap(question, own, stems) for question, own in zip(questions, passages, strict=True)]


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


def _overlap(question: str, passages: Sequence[str], stems: Stems) -> Score:
    found = (stems[match.group()] for match in WORD.finditer(question))
    asked = list(islice(dict.fromkeys(stem for stem in found if stem not in EMPTY), _ASKED))
    if not asked:
        return insufficient("no content words in the question")
    if not any(passages):
        return insufficient("no text in the passages")
    text = "\n".join(passages).lower()
    return ok(sum(not _begins_a_word(stem, text) for stem in asked) / len(asked))


def _begins_a_word(stem: str, text: str) -> bool:
    at = text.find(stem)
    if not stem[0].isascii() and UNSPACED.match(stem):
        return at >= 0
    while at > 0 and text[at - 1].isalnum():
        at = text.find(stem, at + 1)
    return at >= 0


def _age(own: Sequence[float]) -> Score:
    if not own:
        return insufficient("no dates of passages")
    return ok(-math.expm1(-math.log(2) * max(0.0, min(own)) / _YEAR_S))
