"""Vectors in fewer coordinates: along their principal axes, and how much is left beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.base import Features


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Leading principal axes of vectors.

    Attributes:
        centre: their mean, ``(d,)``.
        axes: the axes, one per column, ``(d, p)``.
        scales: ``1 / sqrt(variance + ridge)`` of each coordinate and of what is left, ``(p + 1,)``.
    """

    centre: Features
    axes: Features
    scales: Features

    def apply(self, x: NDArray[np.floating]) -> Features:
        """Coordinates ``(n, p + 1)`` of ``n`` vectors ``(n, d)``.

        The last coordinate is the distance from the plane of the axes, never negative; zero where the axes span all.
        """
        rows = np.asarray(x, dtype=np.float32) - self.centre
        projected = np.zeros((len(rows), len(self.scales)), dtype=np.float32)
        inside = projected[:, :-1]
        np.matmul(rows, self.axes, out=inside)
        if self.axes.shape[1] < self.axes.shape[0]:
            left = np.einsum("ij,ij->i", rows, rows) - np.einsum("ij,ij->i", inside, inside)
            projected[:, -1] = np.sqrt(np.maximum(left, 0.0))
        return projected


def fit_projection(x: NDArray[np.floating], *, axes: int = 96, ridge: float = 0.1) -> Projection:
    """The leading principal axes of the finite rows of ``x`` ``(n, d)``; fewer than ``axes`` if n or d is.

    The ridge is this share of the mean variance along the axes.
    """
    rows = np.asarray(x, dtype=np.float64)
    centre = rows.mean(axis=0)
    centred = rows - centre
    variances, vectors = np.linalg.eigh(centred.T @ centred / max(len(rows) - 1, 1))
    kept = max(min(axes, len(rows) - 1, rows.shape[1]), 1)
    leading, chosen = np.maximum(variances[::-1][:kept], 0.0), vectors[:, ::-1][:, :kept]
    left = np.sqrt(np.maximum((centred**2).sum(axis=1) - ((centred @ chosen) ** 2).sum(axis=1), 0.0))
    spread = np.append(leading, left.var())
    scales = 1.0 / np.sqrt(np.maximum(spread + ridge * leading.mean(), 1e-12))
    return Projection(centre.astype(np.float32), chosen.astype(np.float32), scales.astype(np.float32))
