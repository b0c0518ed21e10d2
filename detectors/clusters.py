"""Vectors as features: which topic a vector lies in, and how far from its middle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.base import Array, Features, Labels

# Rings hold these shares of the reference from the middle outwards; a topic that is new falls into the outermost.
_RINGS = (0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995)
_ROUNDS = 12
_CANDIDATES = 6


@dataclass(frozen=True, slots=True, eq=False)
class ClusterMap:
    """One-hot over clusters and one-hot over rings, both scaled to length ``1 / sqrt(2)``, then missing.

    A vector belongs to the nearest centroid, and to a ring by its squared distance from it over the mean squared
    distance of that cluster's vectors. The sum of the outer rings is the share of traffic that no cluster explains.

    Attributes:
        centroids: ``(c, d)``.
        radii: mean squared distance of each cluster's vectors from its centroid, ``(c,)``.
        ring_edges: inner edges of the rings, in units of the radii, ascending, ``(r − 1,)``.
    """

    centroids: Features
    radii: Features
    ring_edges: Array

    @property
    def clusters(self) -> int:
        """How many clusters there are."""
        return len(self.centroids)

    @property
    def rings(self) -> int:
        """How many rings there are."""
        return len(self.ring_edges) + 1

    @property
    def size(self) -> int:
        """Clusters, rings, missing."""
        return self.clusters + self.rings + 1

    @property
    def tested(self) -> int:
        """All of them."""
        return self.size

    @property
    def bound(self) -> float:
        """A row has two entries of squared length one half, or is missing."""
        return 1.0

    @property
    def missing(self) -> Features:
        """One in the last place."""
        row: Features = np.zeros(self.size, dtype=np.float32)
        row[-1] = 1.0
        return row

    def apply(self, column: NDArray[np.floating]) -> Features:
        """Features ``(n, size)`` of ``n`` vectors ``(n, d)``; a row with a NaN is missing."""
        rows = np.asarray(column, dtype=np.float32)
        missing = np.isnan(rows.sum(axis=1))
        cluster, distance = nearest(np.where(missing[:, None], np.float32(0.0), rows), self.centroids)
        ring = np.searchsorted(self.ring_edges, distance / self.radii[cluster], side="left")
        features = np.zeros((len(rows), self.size), dtype=np.float32)
        place = np.arange(len(rows))
        features[place, cluster] = features[place, self.clusters + ring] = np.sqrt(0.5)
        features[missing] = self.missing
        return features


def nearest(rows: Features, centroids: Features) -> tuple[Labels, Features]:
    """The nearest centroid of each row ``(n, d)`` and its squared distance."""
    closeness = rows @ centroids.T
    closeness -= 0.5 * np.einsum("ij,ij->i", centroids, centroids)
    cluster = closeness.argmax(axis=1)
    closest = closeness[np.arange(len(rows)), cluster]
    return cluster, np.maximum(np.einsum("ij,ij->i", rows, rows) - 2.0 * closest, 0.0)


def fit_clusters(x: NDArray[np.floating], *, clusters: int = 64, seed: int) -> ClusterMap:
    """Cluster the rows of ``x`` ``(n, d)``, NaN rows left out: k-means (Lloyd) from k-means++ starts.

    With few rows there are fewer clusters, so that each has about ten.
    """
    rows = np.asarray(x, dtype=np.float32)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not len(rows):
        rows = np.zeros((1, x.shape[1]), dtype=np.float32)
    random = np.random.default_rng(seed)
    centroids = _starts(rows, max(min(clusters, len(rows) // 10), 1), random)
    for _ in range(_ROUNDS):
        cluster, _ = nearest(rows, centroids)
        centroids = _middles(rows, cluster, centroids)
    cluster, distance = nearest(rows, centroids)
    counts = np.bincount(cluster, minlength=len(centroids))
    total = np.bincount(cluster, weights=distance, minlength=len(centroids))
    # A small cluster's own radius is mostly chance: each is drawn to the mean of all by ten vectors' worth.
    radii = np.maximum((total + 10.0 * distance.mean()) / (counts + 10.0), 1e-12).astype(np.float32)
    edges = np.unique(np.quantile(distance / radii[cluster], _RINGS))
    return ClusterMap(centroids, radii, edges)


def _starts(rows: Features, count: int, random: np.random.Generator) -> Features:
    """Rows far apart: of a few drawn by squared distance from those before, the one that leaves the least of it.

    Arthur and Vassilvitskii, SODA 2007, with the greedy choice of their section 7.
    """
    chosen = [int(random.integers(len(rows)))]
    left = ((rows - rows[chosen[0]]) ** 2).sum(axis=1, dtype=np.float64)
    squares = np.einsum("ij,ij->i", rows, rows)
    while len(chosen) < count and left.sum() > 0:
        drawn = random.choice(len(rows), size=_CANDIDATES, p=left / left.sum())
        apart = squares[:, None] + squares[drawn] - 2.0 * rows @ rows[drawn].T
        shrunk = np.minimum(left[:, None], np.maximum(apart, 0.0))
        best = int(shrunk.sum(axis=0).argmin())
        chosen.append(int(drawn[best]))
        left = shrunk[:, best]
        left[chosen] = 0.0
    return rows[chosen]


def _middles(rows: Features, cluster: Labels, before: Features) -> Features:
    """The mean of each cluster's rows; a cluster that lost all its rows stays where it was."""
    counts = np.bincount(cluster, minlength=len(before))
    one_hot = np.zeros((len(before), len(rows)), dtype=np.float32)
    one_hot[cluster, np.arange(len(rows))] = 1.0
    return np.where(counts[:, None] > 0, one_hot @ rows / np.maximum(counts, 1)[:, None], before).astype(np.float32)
