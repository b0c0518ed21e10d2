"""Whether any of many shares differs between two samples, the shares being nested, such as topics within topics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.special import gammaln, log_ndtr, ndtri

from detectors.base import Array, Features
from detectors.multiplicity import log_of_any

_RARE = 200


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Shares to be compared, and how many independent ones they amount to.

    Attributes:
        members: which of ``c`` disjoint cells each of ``m`` shares adds up, zeros and ones, ``(c, m)``.
        effective: the number of independent shares with the same smallest p-value.
    """

    members: Array
    effective: float

    def scores(self, before: Array, now: Array) -> Array:
        """The normal score of each share ``(m,)``, from the counts ``(c,)`` of both sides."""
        n, m = float(before.sum()), float(now.sum())
        return share_scores(before @ self.members, n, now @ self.members, m)

    def log_p(self, scores: Array) -> float:
        """The log of the chance that one score of all is as large."""
        return log_of_largest(scores, self.effective)

    def direction(self, scores: Array) -> Array:
        """The cells ``(c,)`` of the most surprising share, all alike, with its sign; a unit vector."""
        largest = int(np.abs(scores).argmax())
        cells = self.members[:, largest] * np.sign(scores[largest])
        found: Array = cells / max(float(np.linalg.norm(cells)), 1.0)
        return found


def share_scores(before: Array, n: float, now: Array, m: float) -> Array:
    """Of k of n traces against l of m, elementwise: a normal score, above zero where the share rose.

    Rare shares, up to 200 traces on both sides, have that of the mid-p-value of Fisher's exact test (Lancaster, JASA
    56, 1961), since no smooth formula holds for them; the others the signed root of twice the log likelihood ratio.

    >>> share_scores(np.array([5.0, 1000.0]), 5000.0, np.array([5.0, 100.0]), 500.0).round(2)  # the first by SciPy
    array([3.26, 0.  ])
    """
    rare = before + now <= _RARE
    scores = np.empty(len(before))
    scores[rare] = _exact_scores(before[rare], n, now[rare], m)
    scores[~rare] = _signed_roots(before[~rare], n, now[~rare], m)
    return scores


def _signed_roots(before: Array, n: float, now: Array, m: float) -> Array:
    ratio = _log_likelihood(before, n) + _log_likelihood(now, m) - _log_likelihood(before + now, n + m)
    found: Array = np.sign(now / m - before / n) * np.sqrt(np.maximum(2.0 * ratio, 0.0))
    return found


def _log_likelihood(k: Array, n: float) -> Array:
    """Of k of n traces at its own share ``k / n``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.where(k > 0, k * np.log(k / n), 0.0)
        outside = np.where(k < n, (n - k) * np.log1p(-k / n), 0.0)
    return np.asarray(inside + outside)


def _exact_scores(before: Array, n: float, now: Array, m: float) -> Array:
    """From the hypergeometric law of how many of the k + l traces lie in the second sample."""
    both = (before + now)[:, None]
    counts = np.arange(min(_RARE, int(m)) + 1.0)
    possible = (counts <= both) & (both - counts <= n)
    first, second = np.maximum(both - counts, 0.0), counts[None, :]
    log_chance = _log_choose(n, np.minimum(first, n)) + _log_choose(m, second) - _log_choose(n + m, both)
    chance = np.exp(np.where(possible, log_chance, -np.inf))
    half = 0.5 * np.where(counts == now[:, None], chance, 0.0).sum(axis=1)
    above = np.where(counts > now[:, None], chance, 0.0).sum(axis=1) + half
    below = np.where(counts < now[:, None], chance, 0.0).sum(axis=1) + half
    found: Array = np.where(above < below, -1.0, 1.0) * ndtri(np.maximum(np.minimum(above, below), 1e-300))
    return found


def _log_choose(n: float, k: Array) -> Array:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))


def log_of_largest(scores: Array, effective: float) -> float:
    """The log of the chance that one of so many independent normal scores is as large, to either side."""
    return log_of_any(float(np.log(2.0) + log_ndtr(-np.abs(scores).max(initial=0.0))), effective)


def effective_number(columns: Features | Array) -> float:
    """How many independent columns the correlated ones ``(n, m)`` amount to when the most extreme decides.

    ``Σ 1(λ ≥ 1) + (λ − ⌊λ⌋)`` over the eigenvalues λ of their correlation (Li and Ji, Heredity 95, 2005). Constant
    columns do not count.
    """
    varying = columns[:, columns.max(axis=0) > columns.min(axis=0)]
    if not varying.shape[1]:
        return 1.0
    eigenvalues = np.maximum(np.linalg.eigvalsh(np.atleast_2d(np.corrcoef(varying.T.astype(np.float64)))), 0.0)
    eigenvalues = np.where(eigenvalues < 1e-9, 0.0, eigenvalues)
    whole = eigenvalues + 1e-9
    return max(float(((whole >= 1.0) + (whole - np.floor(whole))).sum()), 1.0)


def branches(centroids: Features) -> Array:
    """Every cluster, and every union of clusters that lie together, ``(c, m)``: the branches of Ward's tree."""
    count = len(centroids)
    if count == 1:
        return np.ones((1, 1))
    members = list(np.eye(count))
    for left, right, _, _ in linkage(centroids.astype(np.float64), "ward")[:-1]:
        members.append(members[int(left)] + members[int(right)])
    return np.array(members).T


def tails(cells: int) -> Array:
    """All but the first one, all but the first two, and so on of the cells in order, ``(c, c − 1)``."""
    return np.tril(np.ones((cells, cells)), -1)[:, :-1]
