"""Numbers per token, for a batch of answers at once.

The value of an answer does not depend on the others of its batch, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from detectors.base import Array
from detectors.score import Score, Span, failed, insufficient, ok
from detectors.tokens import Sentences

Indices = NDArray[np.intp]

# Without sentences: windows about as long as one, each token in two of them.
_WINDOW = 32
_HOP = 16
# Rounding of a producer's softmax or entropy can leave a number this far outside its range.
_ROUNDING = 1e-6
# e to the minus this is 0; larger numbers say no more, and their sums could overflow.
_MOST = 1e4


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What is known per token: the answers without complaint, one after another.

    Attributes:
        complaints: per answer, the score that says why it has no numbers; None where it has.
        flat: the numbers of the others, end to end.
        lengths: how many each of them has, ``(answers without complaint,)``, none of them 0.
    """

    complaints: Sequence[Score | None]
    flat: Array
    lengths: Indices

    @property
    def starts(self) -> Indices:
        return np.cumsum(self.lengths) - self.lengths

    @property
    def kept(self) -> list[int]:
        """The places of the answers without complaint."""
        return [place for place, complaint in enumerate(self.complaints) if complaint is None]

    def means(self) -> Array:
        """The mean of each answer, ``(answers without complaint,)``."""
        means: Array = np.add.reduceat(self.flat, self.starts) / self.lengths if self.flat.size else self.flat
        return means

    def refusing(self, places: Sequence[int], complaints: Sequence[Score]) -> Columns:
        """The same without the answers at these places, which get these complaints."""
        refused = dict(zip(places, complaints, strict=True))
        told = [refused.get(place, complaint) for place, complaint in enumerate(self.complaints)]
        staying = np.array([told[place] is None for place in self.kept], bool)
        return Columns(told, self.flat[np.repeat(staying, self.lengths)], self.lengths[staying])

    def scores(self, values: Array, spans: Sequence[tuple[Span, ...]] | None = None) -> list[Score]:
        """Values of the answers without complaint as scores, among the complaints of the others."""
        held = (np.clip(values, 0.0, 1.0) + 0.0).tolist()  # no −0
        found = iter(zip(held, spans or [()] * len(held), strict=True))
        return [ok(*next(found)) if complaint is None else complaint for complaint in self.complaints]


def columns(rows: Sequence[Sequence[float] | Array], *, name: str, most: float = np.inf) -> Columns:
    """Numbers from 0 to ``most``; an answer with others has the complaint that names the first of them.

    >>> found = columns([[0.5], [], [0.25, -3.0]], name="entropies")
    >>> found.flat.tolist(), [complaint and complaint.reason for complaint in found.complaints]
    ([0.5], [None, 'no entropies', 'entropies must be from 0 to inf; got -3 at token 1'])
    """
    lengths = np.fromiter(map(len, rows), np.intp, len(rows))
    flat = np.fromiter(chain.from_iterable(rows), np.float64, int(lengths.sum()))
    missing = insufficient(f"no {name}")
    complaints: list[Score | None] = [None if length else missing for length in lengths.tolist()]
    wrong = np.flatnonzero(~((flat >= -_ROUNDING) & (flat <= most + _ROUNDING) & (flat < np.inf)))
    if len(wrong):
        ends = np.cumsum(lengths)
        for row, at in zip(*np.unique(np.searchsorted(ends, wrong, side="right"), return_index=True), strict=True):
            token = int(wrong[at] - ends[row] + lengths[row])
            told = f"{name} must be from 0 to {most:g}; got {float(flat[wrong[at]]):g} at token {token}"
            complaints[row] = failed(told)
        flat = flat[np.repeat([complaint is None for complaint in complaints], lengths)]
    kept = np.array([complaint is None for complaint in complaints], bool)
    return Columns(complaints, np.clip(flat, 0.0, min(most, _MOST)), lengths[kept])


def peaks(found: Columns, sentences: Sequence[Sentences | None]) -> tuple[Array, list[tuple[Span, ...]]]:
    """The largest peak among the sentences of each answer, and the span of that sentence.

    The peak of a sentence is the mean of its 95 % quantile (linear interpolation) and of the average of its largest
    tenth of tokens (at least one). Without sentences, windows of 32 tokens that overlap by half, and no span.
    """
    first, last, counts = _stretches(found, sentences)
    if not len(counts):
        return np.empty(0), []
    return _largest(_peaks(found.flat, first, last), found, counts, sentences)


def worst_means(found: Columns, sentences: Sequence[Sentences | None]) -> tuple[Array, list[tuple[Span, ...]]]:
    """The largest mean among the sentences of each answer, and the span of that sentence; else as ``peaks``."""
    first, last, counts = _stretches(found, sentences)
    if not len(counts):
        return np.empty(0), []
    means = _stretch_sums(found.flat, first, last) / (last - first)
    return _largest(means, found, counts, sentences)


def _stretches(found: Columns, sentences: Sequence[Sentences | None]) -> tuple[Indices, Indices, Indices]:
    """First and last token (exclusive, into ``flat``) of all stretches, and how many each answer has."""
    firsts: list[Indices] = []
    lasts: list[Indices] = []
    offset = 0
    for place, length in zip(found.kept, found.lengths.tolist(), strict=True):
        own = sentences[place]
        first, last = _windows(length) if own is None else _within(own, length)
        firsts.append(first + offset)
        lasts.append(last + offset)
        offset += length
    counts = np.array([len(first) for first in firsts], dtype=np.intp)
    empty = np.empty(0, np.intp)
    return np.concatenate([*firsts, empty]), np.concatenate([*lasts, empty]), counts


def _windows(length: int) -> tuple[Indices, Indices]:
    first = np.arange(0, max(length - _HOP, 1), _HOP)
    return first, np.minimum(first + _WINDOW, length)


def _within(own: Sentences, length: int) -> tuple[Indices, Indices]:
    """Sentences may share a token at their border; one that begins past the last token has that token."""
    first = np.minimum(own.first, length - 1)
    last = np.append(first[1:], length)
    return first, np.maximum(last, first + 1)


def _largest(
    values: Array, found: Columns, counts: Indices, sentences: Sequence[Sentences | None]
) -> tuple[Array, list[tuple[Span, ...]]]:
    starts = np.cumsum(counts) - counts
    largest: Array = np.maximum.reduceat(values, starts)
    spans: list[tuple[Span, ...]] = []
    for place, start, count in zip(found.kept, starts.tolist(), counts.tolist(), strict=True):
        own = sentences[place]
        spans.append(() if own is None else (own.spans[int(values[start : start + count].argmax())],))
    return largest, spans


def _gathered(flat: Array, first: Indices, last: Indices) -> tuple[Array, Indices]:
    """The numbers of all stretches, end to end, and which stretch each belongs to."""
    sizes = last - first
    owner = np.repeat(np.arange(len(sizes)), sizes)
    return flat[np.arange(len(owner)) - (np.cumsum(sizes) - sizes - first)[owner]], owner


def _stretch_sums(flat: Array, first: Indices, last: Indices) -> Array:
    values, _ = _gathered(flat, first, last)
    sizes = last - first
    sums: Array = np.add.reduceat(values, np.cumsum(sizes) - sizes)
    return sums


def _peaks(flat: Array, first: Indices, last: Indices) -> Array:
    """The peak of each stretch ``flat[first:last]``, stretches may overlap; shape ``(stretches,)``."""
    values, owner = _gathered(flat, first, last)
    values = values[np.lexsort((values, owner))]
    sizes = last - first
    ends = np.cumsum(sizes)
    starts = ends - sizes
    rank = 0.95 * (sizes - 1)
    below = np.floor(rank).astype(np.intp)
    low = values[starts + below]
    high = values[np.minimum(starts + below + 1, ends - 1)]
    quantile = low + (rank - below) * (high - low)
    worst = -(-sizes // 10)
    # Every other slot of reduceat is a stretch's tail; the sentinel lets the last one end at the end.
    cuts = np.stack([ends - worst, ends], axis=1).ravel()
    tails = np.add.reduceat(np.append(values, 0.0), cuts)[::2] / worst
    found: Array = (quantile + tails) / 2
    return found
