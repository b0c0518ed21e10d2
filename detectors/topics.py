"""What prompts are about: clusters of the traffic before a change, and what comes after that resembles none of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from detectors.base import Array, Features, Labels
from detectors.clusters import fit_clusters, nearest

# A prompt is novel when its third nearest is farther, for its topic, than that of all but this share of those before.
_FARTHEST = 0.01
_NEIGHBOURS = 3
_SURPRISE = 1e-3
_ROWS_PER_TOPIC = 60
_AT_ONCE = 512


@dataclass(frozen=True, slots=True, eq=False)
class Topics:
    """The topic of every prompt before and after.

    Attributes:
        before: ``(n,)``, below ``count``.
        after: ``(m,)``, below ``count``; the last topic but one is of novel prompts, none of which is before.
        count: how many topics there are, with those of novel and of missing prompts.
        p_value: how likely so many novel prompts are when nothing is new.
    """

    before: Labels
    after: Labels
    count: int
    p_value: float

    @property
    def novel(self) -> int:
        """The topic of novel prompts."""
        return self.count - 2


def topics(before: Features, after: Features, sessions: Labels, *, over_dispersion: float = 1.0) -> Topics:
    """Cluster the prompts ``(n, d)`` before, and sort those after ``(m, d)`` into the same clusters.

    Prompts after are set apart as novel only if there are more of them far from all before than chance has: a
    binomial test at one in a thousand, with as many fewer draws as the over-dispersion says.

    Args:
        before: embeddings; a row with a NaN is missing, which is a topic of its own.
        after: likewise.
        sessions: session of each row before ``(n,)``: how far prompts are from others is measured between sessions.
        over_dispersion: of the prompts, at least one.
    """
    there, here = np.isfinite(before).all(axis=1), np.isfinite(after).all(axis=1)
    known, asked = unit(before[there]), unit(after[here])
    wanted = int(np.clip(len(known) // _ROWS_PER_TOPIC, 1, 24))
    centroids = fit_clusters(before[there], clusters=wanted, seed=0).centroids
    count = len(centroids) + 2
    first, second = np.full(len(before), count - 1), np.full(len(after), count - 1)
    first[there] = nearest(before[there], centroids)[0]
    second[here] = nearest(after[here], centroids)[0]
    p_value = 1.0
    if len(known) > 50 * _NEIGHBOURS and len(asked):
        own = remoteness(known, known, sessions[there], sessions[there])
        scale = typical(own, first[there], count)
        limit = np.quantile(own / scale[first[there]], 1.0 - _FARTHEST)
        away = remoteness(asked, known, np.full(len(asked), -1), sessions[there])
        far = away > limit * scale[second[here]]
        # A quantile of few rows errs; twice the share is the null, so that this error names nothing.
        draws = int(np.ceil(len(asked) / over_dispersion))
        p_value = float(binom.sf(np.ceil(far.sum() / over_dispersion) - 1, draws, 2.0 * _FARTHEST))
        if p_value < _SURPRISE:
            second[np.flatnonzero(here)[far]] = count - 2
    return Topics(first, second, count, p_value)


def typical(distances: Array, groups: Labels, count: int) -> Array:
    """The mean distance in each group ``(count,)``, drawn to the mean of all by twenty rows' worth.

    Topics differ in how close their prompts are: without this, more of a loose topic would look like a new one.
    """
    counts = np.bincount(groups, minlength=count)
    totals = np.bincount(groups, weights=distances, minlength=count)
    found: Array = np.maximum((totals + 20.0 * distances.mean()) / (counts + 20.0), 1e-9)
    return found


def unit(rows: Features) -> Features:
    """Rows ``(n, d)`` of length one; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def remoteness(rows: Features, others: Features, sessions: Labels, other_sessions: Labels) -> Array:
    """One minus the cosine of each unit row ``(n, d)`` with its third nearest among ``others`` of other sessions."""
    found = np.empty(len(rows))
    for begin in range(0, len(rows), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        closeness = rows[part] @ others.T
        closeness[sessions[part, None] == other_sessions] = -1.0
        found[part] = 1.0 - np.partition(closeness, -_NEIGHBOURS, axis=1)[:, -_NEIGHBOURS]
    return found
