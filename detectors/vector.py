"""Embeddings as features: random Fourier features of a Gaussian kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from detectors.base import Array, Features


@dataclass(frozen=True, slots=True, eq=False)
class FourierMap:
    """Inner products of the features approach ``exp(−|x − y|² / 2s²)`` (Rahimi and Recht, NIPS 2007).

    Attributes:
        weights: random frequencies, ``(d, features / 2)``.
    """

    weights: Features

    @property
    def size(self) -> int:
        """A cosine and a sine per frequency, and missing."""
        return 2 * len(self.weights[0]) + 1

    @property
    def tested(self) -> int:
        """All of them."""
        return self.size

    @property
    def bound(self) -> float:
        """Cosines and sines of one value have length one by their scaling; so has missing."""
        return 1.0

    @property
    def missing(self) -> Features:
        """One in the last place."""
        return np.append(np.zeros(self.size - 1, dtype=np.float32), np.float32(1.0))

    def apply(self, column: NDArray[np.floating]) -> Features:
        """Features ``(n, size)`` of ``n`` vectors; a row with a NaN is missing."""
        rows = np.asarray(column, dtype=np.float32)
        half = self.weights.shape[1]
        features = np.empty((len(rows), self.size), dtype=np.float32)
        with np.errstate(invalid="ignore"):
            phase = rows @ self.weights
            np.cos(phase, out=features[:, :half])
            np.sin(phase, out=features[:, half:-1])
            features[:, :-1] *= np.float32(1.0 / np.sqrt(half))
        # A NaN anywhere in a row makes the whole row of phases NaN.
        missing = ~np.isfinite(phase[:, 0])
        features[missing] = 0.0
        features[:, -1] = missing
        return features


def fit_vector(x: NDArray[np.floating], *, features: int = 512, seed: int) -> FourierMap:
    """The map whose kernel width is the median distance between the rows of ``x`` ``(n, d)``, NaN rows left out."""
    random = np.random.default_rng(seed)
    return FourierMap(frequencies(np.asarray(x, dtype=np.float64), features=features, random=random))


def frequencies(x: Array, *, features: int, random: np.random.Generator) -> Features:
    """Gaussian frequencies ``(d, features / 2)`` at the median distance of at most 1,000 rows of ``x``."""
    rows = x[np.isfinite(x).all(axis=1)]
    rows = rows[random.permutation(len(rows))[:1000]]
    distances = pdist(rows) if len(rows) > 1 else np.zeros(0)
    apart = distances[distances > 0]
    width = float(np.median(apart)) if len(apart) else 1.0
    return (random.standard_normal((x.shape[1], features // 2)) / width).astype(np.float32)
