"""What prompts are about: clusters of the traffic before and after, and those that nobody asked about before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from detectors.base import Features, Labels
from detectors.clusters import fit_clusters, nearest

Mask = NDArray[np.bool_]

_TOPICS = 32
# A topic is new when less than this share of the traffic was about it before, and it has so many times that share now.
_HARDLY_ANY = 0.01
_LEAST_GROWTH = 8.0
_SURPRISE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Topics:
    """The topic of every prompt before and after.

    Attributes:
        before: ``(n,)``, below ``count``.
        after: ``(m,)``, below ``count``; the last topic but one is of prompts that nobody asked for before, none of
            which is before.
        count: how many topics there are, with those of novel and of missing prompts.
    """

    before: Labels
    after: Labels
    count: int

    @property
    def novel(self) -> int:
        """The topic of novel prompts."""
        return self.count - 2


def topics(before: Features, after: Features, *, over_dispersion: float = 1.0) -> Topics:
    """Cluster the prompts before and after together, so that a topic that comes has a cluster of its own.

    A cluster is new by a binomial test at one in a thousand over all clusters, with as many fewer prompts as the
    over-dispersion says.

    Args:
        before: embeddings ``(n, d)``; a row with a NaN is missing, which is a topic of its own.
        after: likewise ``(m, d)``.
        over_dispersion: of the prompts, at least one.
    """
    there, here = np.isfinite(before).all(axis=1), np.isfinite(after).all(axis=1)
    known, asked = unit(before[there]), unit(after[here])
    # Both sides have their say: of a long time before only some, evenly spread.
    some = known[np.linspace(0, len(known) - 1, min(len(known), max(len(asked), 500))).astype(np.int64)]
    centroids = fit_clusters(np.concatenate([some, asked]), clusters=_TOPICS, seed=0).centroids
    clusters = len(centroids)
    first, second = np.full(len(before), clusters + 1), np.full(len(after), clusters + 1)
    first[there], second[here] = nearest(known, centroids)[0], nearest(asked, centroids)[0]
    old, new = (np.bincount(found, minlength=clusters + 2)[:clusters] for found in (first, second))
    second[np.isin(second, np.flatnonzero(unheard(old, new, over_dispersion)))] = clusters
    return Topics(first, second, clusters + 2)


def unheard(before: Labels, after: Labels, over_dispersion: float) -> Mask:
    """Which clusters, of so many prompts before and after ``(c,)``, hardly anyone asked about before."""
    old, new = before.sum(), max(after.sum(), 1)
    # One prompt more before than there was: a share is hardly ever none.
    shares = (before + 1.0) / (old + 1.0)
    draws, seen = np.ceil(new / over_dispersion), np.ceil(after / over_dispersion)
    surprise = binom.sf(seen - 1.0, draws, np.minimum(2.0 * shares, 1.0))
    rare = (shares < _HARDLY_ANY) & (after / new > _LEAST_GROWTH * shares)
    found: Mask = rare & (surprise * len(before) < _SURPRISE)
    return found


def unit(rows: Features) -> Features:
    """Rows ``(n, d)`` of length one; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
