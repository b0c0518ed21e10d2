"""Vectors as features: how far they lie from the middle, so that traffic that narrows or widens is seen either way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.base import Array, Features
from detectors.scalar import ScalarMap, fit_scalar


@dataclass(frozen=True, slots=True, eq=False)
class SpreadMap:
    """Two distances, each as a histogram with its normal score and square (see ``ScalarMap``), then missing.

    The first is the Mahalanobis distance over all coordinates but the last, the second the last coordinate itself,
    which ``Projection`` makes the distance from the plane of the axes. A score falls as readily as it rises: no clip
    hides a scale that shrinks.

    Attributes:
        scales: factor of each coordinate but the last, ``(p,)``.
        inside: the map of the Mahalanobis distance.
        outside: the map of the last coordinate.
    """

    scales: Features
    inside: ScalarMap
    outside: ScalarMap

    @property
    def size(self) -> int:
        """Tested features of both maps less their own "missing", then one for both."""
        return self.inside.tested + self.outside.tested - 1

    @property
    def tested(self) -> int:
        """All of them."""
        return self.size

    @property
    def bound(self) -> float:
        """Of both maps together."""
        return float(np.hypot(self.inside.bound, self.outside.bound))

    @property
    def missing(self) -> Features:
        """One in the last place."""
        row: Features = np.zeros(self.size, dtype=np.float32)
        row[-1] = 1.0
        return row

    def apply(self, column: NDArray[np.floating]) -> Features:
        """Features ``(n, size)`` of ``n`` vectors ``(n, p + 1)``; a row with a NaN is missing."""
        inside, outside = distances(column, self.scales)
        features = np.empty((len(inside), self.size), dtype=np.float32)
        cut = self.inside.tested - 1
        features[:, :cut] = self.inside.apply(inside)[:, :cut]
        # Both distances of a row are missing or neither, so the second map's mark serves for both.
        features[:, cut:] = self.outside.apply(outside)[:, : self.outside.tested]
        return features


def distances(column: NDArray[np.floating], scales: Features) -> tuple[Array, Array]:
    """The Mahalanobis distance of each row ``(n, p + 1)`` over its first p coordinates, and its last coordinate."""
    rows = np.asarray(column, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        inside = np.sqrt(np.einsum("ij,j->i", rows[:, :-1] ** 2, scales**2))
    outside = np.where(np.isnan(inside), np.nan, rows[:, -1])
    return np.where(np.isnan(outside), np.nan, inside).astype(np.float64), outside.astype(np.float64)


def fit_spread(x: NDArray[np.floating], scales: Features, *, bins: int = 16) -> SpreadMap:
    """The map whose cells have equal mass in the rows of ``x`` ``(n, p + 1)``.

    Rows that the axes and scales were fitted on lie nearer to the middle than new ones: centre on others.
    """
    inside, outside = distances(x, scales)
    return SpreadMap(scales, fit_scalar(inside, bins=bins), fit_scalar(outside, bins=bins))
