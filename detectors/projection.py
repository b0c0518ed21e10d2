"""Vectors in fewer coordinates: along the reference's principal axes, and how much is left beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.base import Features


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Principal axes, made once per batch for all the views of a vector.

    Attributes:
        centre: the reference's mean, ``(d,)``.
        axes: its leading principal axes, one per column, ``(d, p)``.
        scales: ``1 / sqrt(variance + ridge)`` of each coordinate and of what is left, ``(p + 1,)``.
    """

    centre: Features
    axes: Features
    scales: Features

    @property
    def size(self) -> int:
        """Coordinates along the axes, and the length of what is left."""
        return len(self.scales)

    def apply(self, column: NDArray[np.floating]) -> Features:
        """Coordinates ``(n, size)`` of ``n`` vectors ``(n, d)``; a row with a NaN becomes a row of NaN.

        The last coordinate is the distance from the plane of the axes, never negative.
        """
        rows = np.asarray(column, dtype=np.float32) - self.centre
        projected = np.empty((len(rows), self.size), dtype=np.float32)
        inside = projected[:, :-1]
        with np.errstate(invalid="ignore"):
            np.matmul(rows, self.axes, out=inside)
            left = np.einsum("ij,ij->i", rows, rows) - np.einsum("ij,ij->i", inside, inside)
            projected[:, -1] = np.sqrt(np.maximum(left, 0.0))
        projected[~np.isfinite(projected[:, -1])] = np.nan
        return projected


def fit_projection(x: NDArray[np.floating], *, axes: int = 96, ridge: float = 0.1) -> Projection:
    """The leading principal axes of the rows of ``x`` ``(n, d)``, NaN rows left out; fewer than ``axes`` if n or d is.

    The ridge is this share of the mean variance along the axes.
    """
    rows = np.asarray(x, dtype=np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not len(rows):
        rows = np.zeros((1, x.shape[1]))
    centre = rows.mean(axis=0)
    centred = rows - centre
    variances, vectors = np.linalg.eigh(centred.T @ centred / max(len(rows) - 1, 1))
    kept = max(min(axes, len(rows) - 1, x.shape[1]), 1)
    leading, chosen = np.maximum(variances[::-1][:kept], 0.0), vectors[:, ::-1][:, :kept]
    left = np.sqrt(np.maximum((centred**2).sum(axis=1) - ((centred @ chosen) ** 2).sum(axis=1), 0.0))
    spread = np.append(leading, left.var())
    scales = 1.0 / np.sqrt(np.maximum(spread + ridge * leading.mean(), 1e-12))
    return Projection(centre.astype(np.float32), chosen.astype(np.float32), scales.astype(np.float32))
