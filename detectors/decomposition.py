"""Mix or behaviour: whether others were asked, or the same were answered otherwise (Kitagawa, JASA 1955).

With shares ``p⁰, p`` and means ``μ⁰, μ`` of topics c before and after, the shift of the mean is exactly

    Σ_c (p_c − p⁰_c)(μ⁰_c − μ⁰)  +  Σ_new p_c (μ_c − μ⁰)  +  Σ_c p_c (μ_c − μ⁰_c)
    mix of known topics             new topics               behaviour within topics

where a topic that nobody asked about before is new: no answer of before says what its answers should be like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.base import Array, Sum


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What each of c topics adds to the shift of k means, each part ``(c, k)``; all of them add to the shift.

    Attributes:
        mix: by a known topic's share of the traffic.
        new: by a topic that was not there before.
        behaviour: by other values within a known topic.
    """

    mix: Array
    new: Array
    behaviour: Array

    @property
    def shift(self) -> Array:
        """By how much the means moved, ``(k,)``."""
        moved: Array = (self.mix + self.new + self.behaviour).sum(axis=0)
        return moved


def split(before: Sequence[Sum], after: Sequence[Sum]) -> Split:
    """The shift of the mean from before to after, from one sum of ``(k,)`` totals per topic and period.

    >>> one = lambda n, mean: Sum(n, np.array([n * mean]))
    >>> found = split([one(50.0, 1.0), one(50.0, 3.0)], [one(25.0, 1.0), one(75.0, 5.0)])
    >>> found.mix.sum(axis=0), found.behaviour.sum(axis=0)  # by hand: 0.25 (3 − 1), 0.75 (5 − 3)
    (array([0.5]), array([1.5]))
    """
    counts = np.array([[part.n for part in before], [part.n for part in after]])
    if not counts.sum(axis=1).all():
        raise ValueError(f"expected traces before and after, got {counts.sum(axis=1).tolist()}")
    totals = np.array([[part.total for part in before], [part.total for part in after]])
    shares = (counts / counts.sum(axis=1, keepdims=True))[:, :, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.where(counts[:, :, None] > 0, totals / counts[:, :, None], 0.0)
    centre = totals[0].sum(axis=0) / counts[0].sum()
    known = (counts[0] > 0)[:, None]
    return Split(
        mix=np.where(known, (shares[1] - shares[0]) * (means[0] - centre), 0.0),
        new=np.where(known, 0.0, shares[1] * (means[1] - centre)),
        behaviour=np.where(known, shares[1] * (means[1] - means[0]), 0.0),
    )
