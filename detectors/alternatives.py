"""What the alternatives of each token tell: the top-k of a producer as entropy, tail and margin per token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite

import numpy as np

from detectors.base import Array
from detectors.columns import Columns, Indices
from detectors.score import Score, failed, insufficient

# A softmax in half precision can sum to this much more than 1.
_ROUNDING = 1e-2

TopK = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Per token of a batch, from the log-probabilities of its likeliest alternatives.

    Attributes:
        entropy: −Σ p ln p − r ln r, r the mass of the rest; nats, at most the entropy over the whole vocabulary.
        tail: the mass of the rest.
        margin: 1 − (p₁ − p₂).
    """

    entropy: Columns
    tail: Columns
    margin: Columns


def alternatives(rows: Sequence[TopK]) -> Alternatives:
    """One row per answer, in it one list of log-probabilities per token, in any order.

    >>> found = alternatives([[[-0.6931471805599453, -1.3862943611198906]]])
    >>> [round(float(column.flat[0]), 4) for column in (found.entropy, found.tail, found.margin)]
    [1.0397, 0.25, 0.75]
    """
    complaints = [_complaint(row) for row in rows]
    good = [row for row, complaint in zip(rows, complaints, strict=True) if complaint is None]
    counts = np.array([len(row) for row in good], dtype=np.intp)
    sizes = np.fromiter(map(len, chain.from_iterable(good)), np.intp)
    logs = np.fromiter(chain.from_iterable(chain.from_iterable(good)), np.float64)
    entropy, tail, margin, mass = _measured(logs, sizes)
    made = [Columns(complaints, values, counts) for values in (entropy, tail, margin)]
    over = np.flatnonzero(mass > 1 + _ROUNDING)
    if len(over):
        owner, first = np.unique(np.searchsorted(np.cumsum(counts), over, side="right"), return_index=True)
        places = [made[0].kept[row] for row in owner]
        told = [
            failed(_too_much(mass[at], at - counts[:row].sum())) for row, at in zip(owner, over[first], strict=True)
        ]
        made = [column.refusing(places, told) for column in made]
    return Alternatives(*made)


def _complaint(row: TopK) -> Score | None:
    if not row:
        return insufficient("no top-k")
    if min(map(len, row)) < 2:
        return insufficient("fewer than two alternatives of a token")
    if not all(isfinite(sum(values)) for values in row):
        return failed("log-probabilities of alternatives must be finite")
    return None


def _too_much(mass: float, token: int) -> str:
    return (
        f"probabilities of a token's alternatives must sum to at most 1; got {mass:.3g} at token {token}: raw logits?"
    )


def _measured(logs: Array, sizes: Indices) -> tuple[Array, Array, Array, Array]:
    """Entropy, tail, margin and mass per token, ``(tokens,)`` each; ``logs`` holds ``sizes`` numbers of each token."""
    if not len(sizes):
        return (np.empty(0),) * 4
    starts = np.cumsum(sizes) - sizes
    p = np.exp(np.minimum(logs, 1.0))
    mass = np.add.reduceat(p, starts)
    rest = np.clip(1 - mass, 0.0, 1.0)
    entropy = -np.add.reduceat(p * logs, starts) - rest * np.log(np.where(rest > 0, rest, 1.0))
    first = np.maximum.reduceat(p, starts)
    best = np.flatnonzero(p == np.repeat(first, sizes))
    others = p.copy()
    others[best[np.searchsorted(best, starts)]] = 0.0
    second = np.maximum.reduceat(others, starts)
    return np.maximum(entropy, 0.0), rest, np.clip(1 - (first - second), 0.0, 1.0), mass
