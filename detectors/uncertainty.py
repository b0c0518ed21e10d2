"""Uncertainty of an answer, from what its model thought of the tokens it wrote.

Each score takes per-token numbers of a whole batch. Where the sentences of an answer are known, the score rests on the
worst of them and names its span: a wrong statement shows at its first tokens, which a mean over the answer washes out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.base import Array
from detectors.columns import Columns, columns, peaks, worst_means
from detectors.score import Score, failed, insufficient
from detectors.tokens import Sentences

# A mean surprisal above this (perplexity 400) over this many tokens is no model's opinion of its own answer: raw logits
# of one sign. Sampled text has about the entropy of its model, 0-3 nats; a uniform choice among 32,000 tokens has 10.
_IMPLAUSIBLE = 6.0
_ENOUGH = 8
# The product over more tokens than this is 0 for every answer.
MSP_TOKENS = 32


def surprisals(logprobs: Sequence[Sequence[float] | Array]) -> Columns:
    """−ℓ per token (nats) from natural log-probabilities after log-softmax; what cannot be some is an error.

    >>> [complaint.reason for complaint in surprisals([[-1.0, 12.5]]).complaints]
    ['log-probabilities must be finite and ≤ 0; got 12.5 at token 1: raw logits?']
    """
    found = columns([[-value for value in row] for row in logprobs], name="log-probabilities")
    told = [
        complaint if complaint is None or complaint.status != "error" else failed(_complaint(np.asarray(row, float)))
        for row, complaint in zip(logprobs, found.complaints, strict=True)
    ]
    found = Columns(told, found.flat, found.lengths)
    means = found.means()
    odd = np.flatnonzero((means > _IMPLAUSIBLE) & (found.lengths >= _ENOUGH)).tolist()
    return found.refusing([found.kept[i] for i in odd], [_implausible(means[i], found.lengths[i]) for i in odd])


def mean_nll(found: Columns) -> list[Score]:
    """1 − exp(mean ℓ): one minus the geometric mean of the token probabilities.

    >>> [score.value for score in mean_nll(surprisals([np.log([0.5, 0.5]), np.log([1.0])]))]
    [0.5, 0.0]
    """
    return found.scores(-np.expm1(-found.means()))


def peak(found: Columns, sentences: Sequence[Sentences | None]) -> list[Score]:
    """1 − exp(−x), x the largest peak of surprisal (nats) among the sentences; see ``columns.peaks``.

    >>> round(peak(surprisals([np.log([1.0, 1.0, 0.25])]), [None])[0].value, 4)
    0.7321
    """
    values, spans = peaks(found, sentences)
    return found.scores(-np.expm1(-values), spans)


def msp(found: Columns) -> list[Score]:
    """1 − exp(Σ ℓ): one minus the probability of the whole answer, for answers of at most 32 tokens.

    >>> [score.value for score in msp(surprisals([np.log([0.5, 0.5])]))]
    [0.75]
    """
    long = np.flatnonzero(found.lengths > MSP_TOKENS).tolist()
    told = [
        insufficient(f"the probability of an answer of more than {MSP_TOKENS} tokens is 0; got {found.lengths[i]}")
        for i in long
    ]
    short = found.refusing([found.kept[i] for i in long], told) if long else found
    return short.scores(-np.expm1(-short.means() * short.lengths))


def entropy(found: Columns, sentences: Sequence[Sentences | None]) -> list[Score]:
    """1 − exp(−(h + x)/2), h the mean entropy of the tokens (nats) and x its largest peak among the sentences.

    >>> round(entropy(columns([[0.0, 0.0, 1.5]], name="entropies"), [None])[0].value, 4)
    0.6181
    """
    values, spans = peaks(found, sentences)
    return found.scores(-np.expm1(-(values + found.means()) / 2), spans)


def tail(found: Columns, sentences: Sequence[Sentences | None]) -> list[Score]:
    """The mean mass outside the top-k, in the worst sentence."""
    return found.scores(*worst_means(found, sentences))


def margin(found: Columns, sentences: Sequence[Sentences | None]) -> list[Score]:
    """The mean of 1 − (p₁ − p₂), in the worst sentence."""
    return found.scores(*worst_means(found, sentences))


def _complaint(row: Array) -> str:
    token = int(np.flatnonzero(~(np.isfinite(row) & (row <= 1e-6)))[0])
    return f"log-probabilities must be finite and ≤ 0; got {float(row[token]):g} at token {token}: raw logits?"


def _implausible(mean: float, length: int) -> Score:
    return failed(
        f"log-probabilities of a model's own answer; got a mean of {-mean:.1f} over {length} tokens: raw logits?"
    )
