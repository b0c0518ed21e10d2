"""Every trace as one number per signal: how far it lies along the change, in a direction chosen without it.

A direction that was chosen by looking at traces leans towards their noise, and would find a change of behaviour in
traces that only helped to choose it. So traces are dealt into folds by session, and each fold is measured along the
direction of the others (cross-fitting; Chernozhukov and others, Econometrics Journal 21, 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.base import Array, Features, Labels

FOLDS = 2


def folds(sessions: Labels) -> Labels:
    """The fold of each trace ``(n,)``: traces of one session share one, and the sessions take turns."""
    _, turn = np.unique(sessions, return_inverse=True)
    found: Labels = turn % FOLDS
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where traces lie along a change.

    Attributes:
        before: in standard deviations before, ``(n,)``.
        after: likewise, ``(m,)``; its mean minus that of before is the size of the change, without bias by the choice
            of the direction.
        reach: the variance in all directions over that along the change, at least one: so much more than chance may lie
            in a direction that was chosen because something lies there.
    """

    before: Array
    after: Array
    reach: float


def witness(before: Features, after: Features, fold_before: Labels, fold_after: Labels) -> Places:
    """The places of traces by their tested features ``(n, k)`` and ``(m, k)``; zero is the mean of the other folds."""
    first, second = np.zeros(len(before)), np.zeros(len(after))
    reaches = [1.0]
    for fold in range(FOLDS):
        inside, outside = fold_before == fold, fold_before != fold
        now, others = fold_after == fold, fold_after != fold
        if not outside.any() or not others.any():
            continue
        centre = before[outside].mean(axis=0, dtype=np.float64)
        variances = before[outside].var(axis=0, dtype=np.float64)
        direction = leaning(variances, after[others].mean(axis=0, dtype=np.float64) - centre)
        spread = float((before[outside] @ direction).std())
        if spread > 0:
            first[inside] = (before[inside] - centre) @ direction / spread
            second[now] = (after[now] - centre) @ direction / spread
            reaches.append(float(variances.sum() * (direction @ direction)) / spread**2)
    return Places(first, second, max(reaches))


def leaning(variances: Array, shift: Array) -> Array:
    """The shift ``(k,)``, each coordinate over its variance plus that of the leading ones."""
    size = max(float((variances**2).sum() / max(variances.sum(), 1e-300)), 1e-12)
    direction: Array = shift / (variances + size)
    return direction
