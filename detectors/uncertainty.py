"""Uncertainty of an answer from the log-probabilities of its tokens.

All functions take one array of natural log-probabilities per trace, ragged, and work on the whole batch at once. The
value of a trace does not depend on the others of its batch, to the last bit.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.base import Array
from detectors.score import Score, failed, insufficient, ok

Indices = NDArray[np.intp]

# Rounding of a producer's softmax can leave a log-probability this far above zero.
_ROUNDING = 1e-6
# Without sentence boundaries: windows about as long as a sentence, each token in two of them.
_WINDOW = 32
_HOP = 16


def mean_nll(logprobs: Sequence[Array]) -> list[Score]:
    """1 − exp(mean ℓ): one minus the geometric mean of the token probabilities.

    >>> [score.value for score in mean_nll([np.log([0.5, 0.5]), np.log([1.0])])]
    [0.5, 0.0]
    """
    checked, flat, lengths = _checked(logprobs)
    if not flat.size:
        return [score for score in checked if score is not None]
    starts = np.cumsum(lengths) - lengths
    means = np.add.reduceat(flat, starts) / lengths
    return _fill(checked, -np.expm1(-means))


def peak(logprobs: Sequence[Array], *, boundaries: Sequence[Sequence[int] | None] | None = None) -> list[Score]:
    """1 − exp(−x), x the largest peak of surprisal (−ℓ, nats) among the sentences of the answer.

    The peak of a sentence is the mean of its 95 % quantile (linear interpolation) and of the average of its largest
    tenth of tokens (at least one). A wrong span shows at its first token, which a mean over the answer washes out.

    Args:
        boundaries: per trace, the index of the first token of each sentence; indices out of range are ignored. None
            takes windows of 32 tokens that overlap by half.

    >>> round(peak([np.log([1.0, 1.0, 0.25])])[0].value, 4)
    0.7321
    """
    checked, flat, lengths = _checked(logprobs)
    if not flat.size:
        return [score for score in checked if score is not None]
    kept = [row for row, score in enumerate(checked) if score is None]
    firsts: list[Indices] = []
    lasts: list[Indices] = []
    offset = 0
    for row, length in zip(kept, lengths.tolist(), strict=True):
        own = boundaries[row] if boundaries is not None else None
        first, last = _windows(length) if own is None else _sentences(own, length)
        firsts.append(first + offset)
        lasts.append(last + offset)
        offset += length
    peaks = _peaks(flat, np.concatenate(firsts), np.concatenate(lasts))
    counts = np.array([len(first) for first in firsts])
    return _fill(checked, -np.expm1(-np.maximum.reduceat(peaks, np.cumsum(counts) - counts)))


def _peaks(surprisal: Array, first: Indices, last: Indices) -> Array:
    """The peak of each stretch ``surprisal[first:last]``, stretches may overlap; shape ``(stretches,)``."""
    sizes = last - first
    ends = np.cumsum(sizes)
    starts = ends - sizes
    owner = np.repeat(np.arange(len(sizes)), sizes)
    values = surprisal[np.arange(ends[-1]) - starts[owner] + first[owner]]
    values = values[np.lexsort((values, owner))]
    rank = 0.95 * (sizes - 1)
    below = np.floor(rank).astype(np.intp)
    low = values[starts + below]
    high = values[np.minimum(starts + below + 1, ends - 1)]
    quantile = low + (rank - below) * (high - low)
    worst = -(-sizes // 10)
    # Every other slot of reduceat is a stretch's tail; the sentinel lets the last one end at the end.
    cuts = np.stack([ends - worst, ends], axis=1).ravel()
    tails = np.add.reduceat(np.append(values, 0.0), cuts)[::2] / worst
    peaks: Array = (quantile + tails) / 2
    return peaks


def _windows(length: int) -> tuple[Indices, Indices]:
    first = np.arange(0, max(length - _HOP, 1), _HOP)
    return first, np.minimum(first + _WINDOW, length)


def _sentences(starts: Sequence[int], length: int) -> tuple[Indices, Indices]:
    inner = sorted({start for start in starts if 0 < start < length})
    return np.array([0, *inner], dtype=np.intp), np.array([*inner, length], dtype=np.intp)


def _checked(logprobs: Sequence[Array]) -> tuple[list[Score | None], Array, Indices]:
    """Why a trace has no value (else None); the surprisals of the rest, one after another; and their lengths."""
    rows = [np.asarray(row, dtype=np.float64).ravel() for row in logprobs]
    flat = np.concatenate(rows) if rows else np.empty(0)
    checked: list[Score | None] = [None if len(row) else insufficient("no log-probabilities") for row in rows]
    ends = np.cumsum([len(row) for row in rows])
    wrong = np.flatnonzero(~np.isfinite(flat) | (flat > _ROUNDING))
    for row, at in zip(*np.unique(np.searchsorted(ends, wrong, side="right"), return_index=True), strict=True):
        token = int(wrong[at] - ends[row] + len(rows[row]))
        checked[row] = failed(_complaint(float(flat[wrong[at]]), token))
    good = [row for row, score in zip(rows, checked, strict=True) if score is None]
    kept = flat if len(good) == len(rows) else np.concatenate([*good, np.empty(0)])
    return checked, np.maximum(-kept, 0.0), np.array([len(row) for row in good], dtype=np.intp)


def _complaint(value: float, token: int) -> str:
    if not np.isfinite(value):
        return f"log-probabilities must be finite; got {value:g} at token {token}"
    return f"log-probabilities must be ≤ 0; got {value:g} at token {token}: raw logits?"


def _fill(checked: Sequence[Score | None], values: Array) -> list[Score]:
    rest = iter(np.clip(values, 0.0, 1.0).tolist())
    return [ok(next(rest)) if score is None else score for score in checked]
