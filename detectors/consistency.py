"""Does the model say the same when asked again? Told from the words of further samples of the answer.

What a model knows it repeats; what it makes up comes out differently each time (SelfCheckGPT, 2303.08896; semantic
entropy, Nature 2024, s41586-024-07421-0).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.base import Array
from detectors.score import Score, Span, failed, insufficient, ok
from detectors.stems import EMPTY, WORD, Stems

AGREEMENT_SAMPLES = 3
ENTROPY_SAMPLES = 5
# Whole numbers, so that sums are exact in any order. Names and numbers carry an answer; words of grammar and those of
# the question, which answers like to repeat, hardly count.
_SPECIFIC, _CONTENT, _COMMON = 9.0, 3.0, 1.0
# Two texts say the same when this share of what either says is in both.
_SAME = 0.5
_SENTENCE_ENDS = '.!?:"“*-•\n'

Words = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Told:
    """An answer and its samples in words.

    Attributes:
        answer: weight of each stem of the answer.
        spans: offsets of the words of each stem in the answer.
        samples: weights of the stems of each sample that has words.
    """

    answer: Words
    spans: Mapping[str, list[Span]]
    samples: Sequence[Words]

    def enough(self, wanted: int) -> Score | None:
        """Why this is too little to compare; None where it is enough."""
        if not self.answer:
            return insufficient("no words in the answer")
        if len(self.samples) < wanted:
            return insufficient(f"expected at least {wanted} samples with words, got {len(self.samples)}")
        return None


def read(answer: str, samples: Sequence[str], question: str, stems: Stems) -> Told:
    """The words of an answer and its samples, weighed."""
    asked = {stems[word] for word in WORD.findall(question)}
    spans: dict[str, list[Span]] = {}
    weights = _weighed(answer, asked, stems, spans)
    read_samples = [_weighed(sample, asked, stems, None) for sample in samples]
    return Told(weights, spans, [sample for sample in read_samples if sample])


def agreement(found: Sequence[Told]) -> list[Score]:
    """1 − the mean weighted Jaccard similarity over all pairs among the answer and its samples; ≥ 3 samples.

    >>> told = read("It was Ada Lovelace.", ["Ada Lovelace.", "Ada Lovelace did.", "Grace Hopper."], "Who?", Stems())
    >>> round(agreement([told])[0].value, 3)
    0.549
    """
    return [told.enough(AGREEMENT_SAMPLES) or ok(1 - _mean_pair(_similarities(told))) for told in found]


def semantic_entropy(found: Sequence[Told]) -> list[Score]:
    """Entropy over clusters of texts that say the same, among the answer and ≥ 5 samples, divided by its largest.

    Texts say the same when their weighted Jaccard similarity is at least one half, words of the question apart; each
    joins the first cluster whose first text says the same (discrete semantic entropy).

    >>> samples = ["In Paris.", "Paris.", "Paris, France.", "In Rome.", "Rome."]
    >>> round(semantic_entropy([read("Paris.", samples, "Where?", Stems())])[0].value, 3)
    0.355
    """
    return [told.enough(ENTROPY_SAMPLES) or ok(_entropy(told)) for told in found]


def support(found: Sequence[Told]) -> list[Score]:
    """1 − the weighted mean, over content words of the answer, of the share of samples that hold the word; ≥ 3 samples.

    The spans are the words that fewer than half of the samples hold. Words of the question are left out where the
    answer has others.

    >>> samples = ["Ada, in 1842.", "Ada, in 1842.", "Ada in 1843."]
    >>> (score,) = support([read("Ada wrote it in 1843.", samples, "Who wrote it?", Stems())])
    >>> round(score.value, 3), score.spans
    (0.5, ((16, 20),))
    """
    return [told.enough(AGREEMENT_SAMPLES) or _support(told) for told in found]


def dispersion(vectors: Sequence[Array]) -> list[Score]:
    """1 − the mean cosine over all pairs of sample vectors ``(samples, d)``, negative ones counting 0; ≥ 3 samples.

    The degree matrix uncertainty of 2305.19187. Words tell answers apart better: see ``agreement``.

    >>> dispersion([np.eye(3)])[0].value
    1.0
    """
    return [_dispersion(np.asarray(rows, dtype=np.float64)) for rows in vectors]


def _weighed(text: str, asked: set[str], stems: Stems, spans: dict[str, list[Span]] | None) -> dict[str, float]:
    weights: dict[str, float] = {}
    for match in WORD.finditer(text):
        word = match.group()
        stem = stems[word]
        if stem in EMPTY or stem in asked:
            weight = _COMMON
        elif word[0].isdigit() or (word[0].isupper() and not _begins_sentence(text, match.start())):
            weight = _SPECIFIC
        else:
            weight = _CONTENT
        if weight > weights.get(stem, 0.0):
            weights[stem] = weight
        if spans is not None:
            spans.setdefault(stem, []).append(match.span())
    return weights


def _begins_sentence(text: str, at: int) -> bool:
    before = text[max(at - 2, 0) : at].rstrip(" ")
    return not before or before[-1] in _SENTENCE_ENDS


def _similarities(told: Told) -> Array:
    """Weighted Jaccard similarity of each pair of texts, the answer first; ``(texts, texts)``.

    A stem counts its largest weight among the texts; the weights are whole numbers, so every sum is exact.
    """
    texts = [told.answer, *told.samples]
    places: dict[str, int] = {}
    for text in texts:
        for stem in text:
            places.setdefault(stem, len(places))
    weights = np.zeros(len(places))
    holds = np.zeros((len(texts), len(places)))
    for row, text in enumerate(texts):
        at = [places[stem] for stem in text]
        holds[row, at] = 1.0
        weights[at] = np.maximum(weights[at], list(text.values()))
    both = (holds * weights) @ holds.T
    own = np.diagonal(both)
    either = own[:, None] + own - both
    similar: Array = both / either
    return similar


def _mean_pair(similar: Array) -> float:
    above = similar[np.triu_indices(len(similar), 1)]
    return math.fsum(above.tolist()) / len(above)


def _entropy(told: Told) -> float:
    texts = [told.answer, *told.samples]
    core = Told(_core(told.answer), {}, [_core(sample) for sample in told.samples])
    same = _similarities(core) >= _SAME
    heads: list[int] = []
    counts: list[int] = []
    for text in range(len(texts)):
        joined = next((number for number, head in enumerate(heads) if same[head, text]), None)
        if joined is None:
            heads.append(text)
            counts.append(1)
        else:
            counts[joined] += 1
    shares = [count / len(texts) for count in counts]
    return min(1.0, max(0.0, -math.fsum(share * math.log(share) for share in shares) / math.log(len(texts))))


def _core(words: Words) -> Words:
    """What carries the text: its content words that the question does not hold, or all words where there are none."""
    return {stem: weight for stem, weight in words.items() if weight > _COMMON} or words


def _support(told: Told) -> Score:
    core = _core(told.answer)
    held = {stem: sum(stem in sample for sample in told.samples) / len(told.samples) for stem in core}
    mean = math.fsum(held[stem] * weight for stem, weight in core.items()) / math.fsum(core.values())
    spans = sorted(span for stem, share in held.items() if share < 0.5 for span in told.spans[stem])
    return ok(min(1.0, max(0.0, 1 - mean)), tuple(spans))


def _dispersion(rows: Array) -> Score:
    if len(rows) < AGREEMENT_SAMPLES:
        return insufficient(f"expected vectors of at least {AGREEMENT_SAMPLES} samples, got {len(rows)}")
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    if not np.isfinite(norms).all() or not norms.all():
        return failed("vectors of samples must be finite and not zero")
    unit = rows / norms[:, None]
    cosines = np.clip(np.einsum("ik,jk->ij", unit, unit), 0.0, 1.0)
    return ok(min(1.0, max(0.0, 1 - _mean_pair(cosines))))
