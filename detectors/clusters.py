"""Vectors by topic: which cluster a vector lies in, and how far from its middle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.base import Features, Labels

_ROUNDS = 12
_CANDIDATES = 6
_ROWS_PER_CLUSTER = 10


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Centroids, and how far from them their own vectors lie.

    Attributes:
        centroids: ``(c, d)``.
        radii: mean squared distance of each cluster's vectors from its centroid, ``(c,)``.
    """

    centroids: Features
    radii: Features

    def __len__(self) -> int:
        return len(self.centroids)

    def place(self, rows: Features) -> tuple[Labels, Features]:
        """The cluster of each of ``n`` vectors, and its squared distance over that cluster's mean: large where new."""
        cluster, distance = nearest(rows, self.centroids)
        return cluster, distance / self.radii[cluster]


def nearest(rows: Features, centroids: Features) -> tuple[Labels, Features]:
    """The nearest centroid of each row ``(n, d)`` and its squared distance."""
    closeness = rows @ centroids.T
    closeness -= 0.5 * np.einsum("ij,ij->i", centroids, centroids)
    cluster = closeness.argmax(axis=1)
    closest = closeness[np.arange(len(rows)), cluster]
    return cluster, np.maximum(np.einsum("ij,ij->i", rows, rows) - 2.0 * closest, 0.0)


def fit_clusters(x: NDArray[np.floating], *, clusters: int = 64, seed: int) -> Clusters:
    """Cluster the finite rows of ``x`` ``(n, d)``: k-means (Lloyd) from k-means++ starts.

    With few rows there are fewer clusters, so that each has about ten.
    """
    rows = np.asarray(x, dtype=np.float32)
    wanted = max(min(clusters, len(rows) // _ROWS_PER_CLUSTER), 1)
    centroids = kmeans(rows, wanted, np.random.default_rng(seed))
    cluster, distance = nearest(rows, centroids)
    counts = np.bincount(cluster, minlength=len(centroids))
    total = np.bincount(cluster, weights=distance, minlength=len(centroids))
    # A small cluster's own radius is mostly chance: each is drawn to the mean of all by ten vectors' worth.
    drawn = _ROWS_PER_CLUSTER
    radii = np.maximum((total + drawn * float(distance.mean())) / (counts + drawn), 1e-12).astype(np.float32)
    return Clusters(centroids, radii)


def kmeans(rows: Features, count: int, random: np.random.Generator) -> Features:
    """At most ``count`` centroids of ``rows (n, d)``; fewer where fewer rows differ."""
    centroids = _starts(rows, count, random)
    for _ in range(_ROUNDS):
        cluster, _ = nearest(rows, centroids)
        centroids = _middles(rows, cluster, centroids)
    return centroids


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
