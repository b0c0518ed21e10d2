"""The answer beside a reference answer, where the trace has one: canaries, golden sets, corrections."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

from rapidfuzz.distance import Indel
from sacrebleu.metrics.bleu import BLEU

from detectors.score import Score, insufficient, ok
from detectors.stems import UNSPACED
from monitor.model.trace import Trace

# Longer texts are compared by their beginning: references are short, and the cost of ROUGE-L grows with the product.
MOST_CHARACTERS = 20_000
WORD = re.compile(rf"{UNSPACED.pattern}|[^\W_{UNSPACED.pattern[1:]}+")
ARTICLES = frozenset({"a", "an", "the"})

Words = tuple[str, ...]
Pair = tuple[Words, Sequence[Words]]


def references(trace: Trace) -> list[str]:
    """Reference answers: corrections, labels that hold a ``reference_answer``, and ``extra.reference_answer``."""
    found: list[object] = [each.value for each in trace.feedback if each.kind == "correction"]
    labels = [each.value for each in trace.feedback if each.kind == "label"]
    found += [value["reference_answer"] for value in labels if isinstance(value, dict) and "reference_answer" in value]
    own = trace.extra.get("reference_answer")
    found += own if isinstance(own, list) else [own]
    return [text[:MOST_CHARACTERS] for text in found if isinstance(text, str) and text.strip()]


def pairs(answers: Sequence[str], known: Sequence[Sequence[str]]) -> list[Pair]:
    """Each answer in words, beside its references in words."""
    return [
        (words(answer[:MOST_CHARACTERS]), [words(reference) for reference in own])
        for answer, own in zip(answers, known, strict=True)
    ]


def exact_match(found: Sequence[Pair]) -> list[Score]:
    """0 if the answer is a reference, apart from case, punctuation and English articles (SQuAD's rule), else 1."""
    return [nearest(pair, lambda answer, reference: float(plain(answer) != plain(reference))) for pair in found]


def token_f1(found: Sequence[Pair]) -> list[Score]:
    """1 − the F1 of the words that answer and reference share (SQuAD), for the nearest reference."""
    return [nearest(pair, lambda answer, reference: 1 - f1(plain(answer), plain(reference))) for pair in found]


def rouge_l(found: Sequence[Pair]) -> list[Score]:
    """1 − the F1 of the longest common subsequence of words (ROUGE-L), for the nearest reference."""
    return [nearest(pair, Indel.normalized_distance) for pair in found]


def bleu(answers: Sequence[str], known: Sequence[Sequence[str]]) -> list[Score]:
    """1 − sacreBLEU's sentence BLEU with effective order, over all references."""
    return [
        insufficient("empty answer")
        if not answer.strip()
        else held(1 - sentence_bleu(answer).sentence_score(answer[:MOST_CHARACTERS], own).score / 100)
        for answer, own in zip(answers, known, strict=True)
    ]


def nearest(pair: Pair, distance: Callable[[Words, Words], float]) -> Score:
    answer, known = pair
    return held(min(distance(answer, reference) for reference in known)) if answer else insufficient("empty answer")


def held(value: float) -> Score:
    return ok(min(1.0, max(0.0, value)))


def words(text: str) -> Words:
    return tuple(WORD.findall(text.lower()))


def plain(found: Words) -> Words:
    """The words less English articles; all words where there are no others."""
    return tuple(word for word in found if word not in ARTICLES) or found


def f1(answer: Words, reference: Words) -> float:
    shared = (Counter(answer) & Counter(reference)).total()
    return 2 * shared / (len(answer) + len(reference))


def sentence_bleu(answer: str) -> BLEU:
    """By character in scripts without spaces."""
    return scorer("char" if UNSPACED.search(answer) else "13a")


@lru_cache(maxsize=2)
def scorer(tokenize: str) -> BLEU:
    return BLEU(tokenize=tokenize, effective_order=True)
