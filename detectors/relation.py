"""How the answer relates to the prompt: what the prompt's embedding does not predict of the answer's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.base import Array, Features, View
from detectors.vector import EmbeddingMap, fit_vector


@dataclass(frozen=True, slots=True, eq=False)
class RelationMap:
    """Features of the residual r − pBV of a prompt p and its response r, each ``(d,)``.

    The prediction has low rank: it goes through the leading axes of the prompts.

    Attributes:
        read: B, the prompt's axes, ``(d, m)``.
        predict: V, the response that each of them predicts, ``(m, d)``.
        residual: the map of what is left.
    """

    read: Features
    predict: Features
    residual: EmbeddingMap

    @property
    def size(self) -> int:
        """As the residual's map."""
        return self.residual.size

    @property
    def tested(self) -> int:
        """As the residual's map."""
        return self.residual.tested

    @property
    def bound(self) -> float:
        """As the residual's map."""
        return self.residual.bound

    @property
    def views(self) -> tuple[View, ...]:
        """As the residual's map."""
        return self.residual.views

    @property
    def missing(self) -> Features:
        """As the residual's map."""
        return self.residual.missing

    @property
    def unseen(self) -> Features:
        """As the residual's map."""
        return self.residual.unseen

    def turn(self, features: Array) -> Array:
        """As the residual's map."""
        return self.residual.turn(features)

    def turn_back(self, turned: Array) -> Array:
        """As the residual's map."""
        return self.residual.turn_back(turned)

    def apply(self, column: NDArray[np.floating]) -> Features:
        """Features ``(n, size)`` of ``n`` pairs ``(n, 2d)``; a pair with a NaN in either part is missing."""
        pairs = np.asarray(column, dtype=np.float32)
        half = pairs.shape[1] // 2
        return self.residual.apply(pairs[:, half:] - (pairs[:, :half] @ self.read) @ self.predict)


def fit_relation(pairs: NDArray[np.floating], *, axes: int = 64, ridge: float = 0.01, seed: int) -> RelationMap:
    """Predict the second half of each row of ``pairs`` ``(n, 2d)`` from the first by ridge regression.

    The regression is on the leading principal axes of the prompts; the penalty is ``ridge`` times their summed squares.
    """
    rows = np.asarray(pairs, dtype=np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    half = pairs.shape[1] // 2
    prompt, response = rows[:, :half], rows[:, half:]
    m = min(axes, half)
    read, predict = np.zeros((half, m)), np.zeros((m, half))
    if len(rows) > 1:
        centred = prompt - prompt.mean(axis=0)
        variances, turned = np.linalg.eigh(centred.T @ centred)
        read, sizes = turned[:, ::-1][:, :m], variances[::-1][:m]
        gram = sizes + max(ridge * float(variances.sum()), 1e-9)
        predict = (read.T @ (centred.T @ (response - response.mean(axis=0)))) / gram[:, None]
    left = response - (prompt @ read) @ predict
    return RelationMap(read.astype(np.float32), predict.astype(np.float32), fit_vector(left, seed=seed))
