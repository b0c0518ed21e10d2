"""What the first half of a pair does not predict of the second, over two samples together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.base import Array


def residuals(before: NDArray[np.floating], now: NDArray[np.floating], *, ridge: float = 0.01) -> tuple[Array, Array]:
    """Ridge residuals ``(n, d)`` and ``(m, d)`` of pairs ``(n, 2d)`` and ``(m, 2d)``; a pair with a NaN has only NaN.

    One regression is fitted on both samples, blind to which is which: what both have in common is taken out of either,
    so a change of prompts that answers follow leaves no trace. The penalty is ``ridge`` times the summed squares of
    the centred first halves.
    """
    both = np.concatenate([before, now]).astype(np.float64)
    half = both.shape[1] // 2
    sound = np.isfinite(both).all(axis=1)
    left = np.full((len(both), half), np.nan)
    if sound.any():
        first, second = both[sound, :half], both[sound, half:]
        centred = first - first.mean(axis=0)
        gram = centred.T @ centred
        gram[np.diag_indices(half)] += max(ridge * float(np.trace(gram)), 1e-9)
        weights = np.linalg.solve(gram, centred.T @ (second - second.mean(axis=0)))
        left[sound] = second - first @ weights
    return left[: len(before)], left[len(before) :]
