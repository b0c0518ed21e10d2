"""Every trace as one number per signal: how far it lies along the change, in a direction chosen without it.

A direction that was chosen by looking at traces leans towards their noise, and would find a change of behaviour in
traces that only helped to choose it. So traces are dealt into folds by session, and each fold is measured along the
direction of the others (cross-fitting; Chernozhukov and others, Econometrics Journal 21, 2018).
"""

from __future__ import annotations

import numpy as np

from detectors.base import Array, Features, Labels

FOLDS = 2


def folds(sessions: Labels) -> Labels:
    """The fold of each trace ``(n,)``: traces of one session share one, and the sessions take turns."""
    _, turn = np.unique(sessions, return_inverse=True)
    found: Labels = turn % FOLDS
    return found


def witness(before: Features, after: Features, fold_before: Labels, fold_after: Labels) -> tuple[Array, Array]:
    """The place of each trace ``(n,)`` and ``(m,)`` along the change of its tested features ``(n, k)``, ``(m, k)``.

    The unit is the standard deviation before, zero the mean before of the other folds; the mean of the second minus
    that of the first estimates the size of the change without bias by the choice of the direction.
    """
    first, second = np.zeros(len(before)), np.zeros(len(after))
    for fold in range(FOLDS):
        inside, outside = fold_before == fold, fold_before != fold
        now, others = fold_after == fold, fold_after != fold
        if not outside.any() or not others.any():
            continue
        centre = before[outside].mean(axis=0, dtype=np.float64)
        direction = leaning(before[outside], after[others].mean(axis=0, dtype=np.float64) - centre)
        spread = float((before[outside] @ direction).std())
        if spread > 0:
            first[inside] = (before[inside] - centre) @ direction / spread
            second[now] = (after[now] - centre) @ direction / spread
    return first, second


def leaning(rows: Features, shift: Array) -> Array:
    """The shift ``(k,)``, each coordinate over its variance in the rows ``(n, k)`` plus that of the leading ones."""
    variances = rows.var(axis=0, dtype=np.float64)
    size = max(float((variances**2).sum() / max(variances.sum(), 1e-300)), 1e-12)
    direction: Array = shift / (variances + size)
    return direction
