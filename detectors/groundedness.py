"""Is the answer held by its context? Told by a small trained model, word by word, with the evidence.

Goes past `detectors/grounding.py`: it sees that a word is held elsewhere than where the sentence needs it, that a
passage is cited for what another says, that something is called absent which is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from detectors.abstention import abstention
from detectors.alignment import Floats
from detectors.evidence import Evidence, compare
from detectors.head import Head, run
from detectors.lexicon import Lexicon
from detectors.score import Claim, Score, Span, abstained, insufficient, ok
from detectors.stems import Stems

# The peak over words is of their mean over so many: one doubtful word among sure ones is no span.
_SMOOTH = 5
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Model:
    """What judges: heads whose opinions are averaged.

    Attributes:
        lexicon: knowledge of words.
        names: of the features, in the order the heads were trained on.
        heads: trained alike from different seeds.
        slope, intercept: Platt's: value = 1 / (1 + exp(−slope · z − intercept)), fitted out of fold.
        prior: share of bad answers where those were fitted; see ``at_prior``.
        word_threshold: mean probability from which a word is marked.
    """

    lexicon: Lexicon
    names: tuple[str, ...]
    heads: tuple[Head, ...]
    slope: float
    intercept: float
    prior: float
    word_threshold: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the model says of one answer.

    Attributes:
        value: probability that anything in it is unsupported, at the model's prior.
        spans: unsupported stretches, in order.
        claims: its sentences.
        words: ``(t,)`` probability of each word, at offsets ``word_spans``.
    """

    value: float
    spans: tuple[Span, ...]
    claims: tuple[Claim, ...]
    words: Floats
    word_spans: tuple[Span, ...]


def grounding(
    answers: Sequence[str],
    contexts: Sequence[Sequence[str]],
    model: Model,
    *,
    questions: Sequence[str] | None = None,
    declined: Sequence[Score] | None = None,
) -> list[Score]:
    """Calibrated probability that an answer says what its context does not hold; the spans are where, the claims its
    sentences with their evidence.

    Answers that only decline are ``abstained``; an answer without passages is ``insufficient_input``.
    """
    asked = questions if questions is not None else [""] * len(answers)
    stems = Stems()
    refusals = abstention(answers) if declined is None else declined
    return [
        _score((answer, passages, question), model, stems)
        if refusal.value != 1.0
        else abstained("the answer only declines")
        for answer, passages, question, refusal in zip(answers, contexts, asked, refusals, strict=True)
    ]


def judge(
    answer: str, passages: Sequence[str], question: str, model: Model, *, stems: Stems | None = None
) -> Judgement | None:
    """None where the answer or the context has no words; ``stems`` are those met so far in a batch."""
    evidence = compare(answer, passages, question, model.lexicon, stems=stems)
    if evidence is None:
        return None
    said = [run(head, evidence) for head in model.heads]
    words = np.mean([_sigmoid(one.words) for one in said], 0)
    sentences = np.mean([_sigmoid(one.sentences) for one in said], 0)
    z = opinion(words, sentences, float(np.mean([one.whole for one in said])))
    return Judgement(
        value=float(_sigmoid(np.array(model.slope * z + model.intercept))),
        spans=stretches(evidence.answer.spans, words >= model.word_threshold),
        claims=_claims(evidence, sentences),
        words=words,
        word_spans=tuple(evidence.answer.spans),
    )


def opinion(words: Floats, sentences: Floats, whole: float) -> float:
    """z = logit of the whole + half the logits of the worst sentence and of the worst five words in a row."""
    if len(words) < _SMOOTH:
        peak = float(words.mean())
    else:
        peak = float(np.convolve(words, np.full(_SMOOTH, 1 / _SMOOTH), "valid").max())
    return whole + 0.5 * _logit(peak) + 0.5 * _logit(float(sentences.max()))


def at_prior(value: float, prior: float, other: float) -> float:
    """The probability where a share ``other`` of answers is bad, by Bayes' rule (Saerens et al. 2002).

    >>> round(at_prior(0.5, 0.5, 0.1), 3)
    0.1
    """
    bad, good = value * other / prior, (1 - value) * (1 - other) / (1 - prior)
    return bad / (bad + good)


def stretches(spans: Sequence[Span], marked: NDArray[np.bool_]) -> tuple[Span, ...]:
    """Runs of marked words, from the start of the first to the end of the last.

    >>> stretches([(0, 3), (4, 7), (8, 9), (10, 12)], np.array([True, True, False, True]))
    ((0, 7), (10, 12))
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    pairs = [pair for at, pair in enumerate(pairwise(edges.tolist())) if at % 2 == 0]
    return tuple((spans[first][0], spans[last - 1][1]) for first, last in pairs)


def _score(exchange: tuple[str, Sequence[str], str], model: Model, stems: Stems) -> Score:
    answer, passages, question = exchange
    if not answer.strip():
        return insufficient("empty answer")
    if not any(passage.strip() for passage in passages):
        return insufficient("no context")
    found = judge(answer, passages, question, model, stems=stems)
    if found is None:
        return insufficient("no words in the answer or in the context")
    return ok(found.value, found.spans, found.claims)


def _claims(evidence: Evidence, values: Floats) -> tuple[Claim, ...]:
    answer = evidence.answer
    novel: list[list[Span]] = [[] for _ in answer.sentences]
    for at in np.flatnonzero(evidence.novel):
        novel[answer.sentence[at]].append(answer.spans[at])
    return tuple(
        Claim(span, float(value), passage, held, tuple(words))
        for span, value, (passage, held), words in zip(answer.sentences, values, evidence.best, novel, strict=True)
    )


def _sigmoid(x: NDArray[np.floating]) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -60, 60))))


def _logit(p: float) -> float:
    kept = min(max(p, _LEAST), 1 - _LEAST)
    return float(np.log(kept / (1 - kept)))
