"""How the answer relates to the prompt: what the prompt's embedding does not predict of the answer's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.base import Features
from detectors.vector import FourierMap, frequencies


@dataclass(frozen=True, slots=True, eq=False)
class RelationMap:
    """Fourier features of the ridge residual, in one product over the pair ``[prompt, response]``.

    The residual r − pR has frequencies W, so its phase is ``[p, r] @ [−RW; W]``: no residual is ever formed.

    Attributes:
        fourier: the features of the pair, with weights ``(2d, features / 2)``.
    """

    fourier: FourierMap

    @property
    def size(self) -> int:
        """As its Fourier map."""
        return self.fourier.size

    @property
    def tested(self) -> int:
        """All of them."""
        return self.fourier.tested

    @property
    def bound(self) -> float:
        """As its Fourier map."""
        return self.fourier.bound

    @property
    def missing(self) -> Features:
        """As its Fourier map."""
        return self.fourier.missing

    def apply(self, column: NDArray[np.floating]) -> Features:
        """Features ``(n, size)`` of ``n`` pairs ``(n, 2d)``; a pair with a NaN in either part is missing."""
        return self.fourier.apply(column)


def fit_relation(pairs: NDArray[np.floating], *, features: int = 512, ridge: float = 0.01, seed: int) -> RelationMap:
    """Predict the second half of each row of ``pairs`` ``(n, 2d)`` from the first by ridge regression.

    The penalty is ``ridge`` times the summed squares of the centred prompts.
    """
    rows = np.asarray(pairs, dtype=np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    half = pairs.shape[1] // 2
    prompt, response = rows[:, :half], rows[:, half:]
    if len(rows) > 1:
        centred = prompt - prompt.mean(axis=0)
        gram = centred.T @ centred
        gram[np.diag_indices(half)] += max(ridge * np.trace(gram), 1e-9)
        prediction = np.linalg.solve(gram, centred.T @ (response - response.mean(axis=0)))
    else:
        prediction = np.zeros((half, half))
    weights = frequencies(response - prompt @ prediction, features=features, random=np.random.default_rng(seed))
    stacked = np.concatenate([-prediction @ weights, weights]).astype(np.float32)
    return RelationMap(FourierMap(stacked))
