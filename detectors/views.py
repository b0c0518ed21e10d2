"""Embeddings as features, four ways side by side: no single one sees every change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.base import FeatureMap, Features
from detectors.clusters import ClusterMap, fit_clusters
from detectors.projection import Projection, fit_projection
from detectors.spread import SpreadMap, fit_spread
from detectors.vector import FourierMap, fit_vector


@dataclass(frozen=True, slots=True, eq=False)
class ViewsMap:
    """Views of one projection, one after the other, with one "missing" for all.

    Attributes:
        projection: what the views look at.
        fourier: smooth changes of the density.
        whitened: the same where the reference varies little.
        clusters: changes of the mix, and new topics.
        spread: traffic that narrows or widens.
    """

    projection: Projection
    fourier: FourierMap
    whitened: FourierMap
    clusters: ClusterMap
    spread: SpreadMap

    @property
    def views(self) -> dict[str, FeatureMap]:
        """The views by name, in the order of their features."""
        return {
            "fourier": self.fourier,
            "whitened": self.whitened,
            "clusters": self.clusters,
            "spread": self.spread,
        }

    @property
    def size(self) -> int:
        """Features of all views, and missing."""
        return sum(view.size - 1 for view in self.views.values()) + 1

    @property
    def tested(self) -> int:
        """All of them."""
        return self.size

    @property
    def bound(self) -> float:
        """Of all views together."""
        return float(np.linalg.norm([view.bound for view in self.views.values()]))

    @property
    def missing(self) -> Features:
        """One in the last place."""
        row: Features = np.zeros(self.size, dtype=np.float32)
        row[-1] = 1.0
        return row

    def slices(self) -> dict[str, slice]:
        """Where the features of each view lie, "missing" left out."""
        found, start = {}, 0
        for name, view in self.views.items():
            found[name] = slice(start, start + view.size - 1)
            start += view.size - 1
        return found

    def apply(self, column: NDArray[np.floating]) -> Features:
        """Features ``(n, size)`` of ``n`` vectors ``(n, d)``; a row with a NaN is missing."""
        rows = self.projection.apply(column)
        features = np.empty((len(rows), self.size), dtype=np.float32)
        for name, part in self.slices().items():
            features[:, part] = self.views[name].apply(rows)[:, :-1]
        missing = np.isnan(rows[:, -1])
        features[missing] = 0.0
        features[:, -1] = missing
        return features


def fit_views(x: NDArray[np.floating], *, features: int = 512, axes: int = 96, seed: int) -> ViewsMap:
    """Fit every view on the rows of ``x`` ``(n, d)``, NaN rows left out.

    Rows that shaped the axes and clusters lie nearer to them than new ones do: centre on others.
    """
    projection = fit_projection(x, axes=axes)
    rows = projection.apply(x)
    whitened = fit_vector(rows * projection.scales, features=features, seed=seed + 1)
    return ViewsMap(
        projection,
        fourier=fit_vector(rows, features=features, seed=seed),
        whitened=FourierMap(whitened.weights * projection.scales[:, None]),
        clusters=fit_clusters(rows, seed=seed),
        spread=fit_spread(rows, projection.scales[:-1]),
    )
