"""The best offline two-sample tests of vectors, told when the change came: nothing sequential can expect to beat them.

Each test is a quadratic form ``|A (mean φ − mean φ_ref)|²`` of features of n new traces and N of reference, so without
a change it is about ``(1/n + 1/N) Σ λ_i χ²_1``; its critical value is that of a gamma law with the same first three
cumulants (Hall 1983, Buckley and Eagleson 1988), or the empirical quantile of null windows where that is larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import pdist
from scipy.stats import chi2

from benchmarks.drift.laws import Change, Law
from benchmarks.drift.streams import REFERENCE, blocks, sample
from benchmarks.drift.traffic import Array, Independent

OMNIBUS = ("MMD", "ridge Hotelling", "clusters", "spread")
DIRECTED = "told the direction"
TESTS = (*OMNIBUS, DIRECTED)

_FREQUENCIES = 256
_CLUSTERS = 64
_RIDGE = 0.1
_SPREAD_LIMIT = 4.0
_BATCH = 8_192


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The features of every test side by side, scaled so that each statistic is a squared length, ``k`` in all.

    Attributes:
        weights: random Fourier frequencies ``(d, 256)``.
        whitening: ``(d, d)``, the inverse square root of the ridged covariance.
        centre: ``(d,)``.
        centroids: ``(64, d)``.
        scales: what each feature is multiplied by, ``(k,)``.
        mean: of the reference ``(k,)``.
    """

    weights: NDArray[np.float32]
    whitening: NDArray[np.float32]
    centre: NDArray[np.float32]
    centroids: NDArray[np.float32]
    scales: NDArray[np.float32]
    mean: Array

    @property
    def parts(self) -> tuple[slice, ...]:
        """Where each omnibus test's features lie."""
        sizes = (2 * self.weights.shape[1], len(self.centre), len(self.centroids), 1)
        ends = np.cumsum((0, *sizes)).tolist()
        return tuple(slice(begin, end) for begin, end in pairwise(ends))

    def apply(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(n, k)``."""
        phase = rows @ self.weights
        white = (rows - self.centre) @ self.whitening
        spread = np.sqrt((white**2).mean(axis=1))
        nearest = np.argmax(rows @ self.centroids.T - 0.5 * (self.centroids**2).sum(axis=1), axis=1)
        clusters = np.zeros((len(rows), len(self.centroids)), dtype=np.float32)
        clusters[np.arange(len(rows)), nearest] = 1.0
        clipped = np.minimum(spread, _SPREAD_LIMIT)[:, None]
        features: NDArray[np.float32] = np.hstack([np.cos(phase), np.sin(phase), white, clusters, clipped])
        features *= self.scales
        return features


def fit(reference: NDArray[np.float32], *, seed: int) -> Features:
    """Features from the ``(N, d)`` vectors of a reference.

    What looks closer on the rows that it was fitted on, clusters and spread, is centred on the other half.
    """
    random = np.random.default_rng(seed)
    half = len(reference) // 2
    fitted = reference[:half]
    distances = pdist(fitted[:1_000])
    weights = random.standard_normal((reference.shape[1], _FREQUENCIES)) / np.median(distances[distances > 0])
    variances, axes = np.linalg.eigh(np.cov(fitted, rowvar=False, dtype=np.float64))
    variances = np.maximum(variances, 0.0)
    whitening = (axes / np.sqrt(variances + _RIDGE * variances.mean())) @ axes.T
    centroids, labels = kmeans2(fitted.astype(np.float64), _CLUSTERS, minit="++", rng=random, iter=10)
    shares = np.maximum(np.bincount(labels, minlength=_CLUSTERS), 1.0) / half
    scales = np.concatenate(
        [np.full(2 * _FREQUENCIES, _FREQUENCIES**-0.5), np.ones(len(variances)), shares**-0.5, [1.0]]
    )
    made = Features(
        weights.astype(np.float32),
        whitening.astype(np.float32),
        fitted.mean(axis=0),
        centroids.astype(np.float32),
        scales.astype(np.float32),
        np.zeros(len(scales)),
    )
    features = made.apply(reference)
    mean = features.mean(axis=0, dtype=np.float64)
    nonlinear = slice(made.parts[2].start, None)
    mean[nonlinear] = features[half:, nonlinear].mean(axis=0, dtype=np.float64)
    return replace(made, mean=mean)


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """Fitted references of one law, with what null traffic looks like in their features.

    Attributes:
        features: of each reference.
        covariances: of null features for each, ``(k, k)``.
        null_sums: cumulative sums of centred null features every ``step`` traces, ``(windows + 1, k)`` for each.
        step: traces.
    """

    law: Law
    features: Sequence[Features]
    covariances: Sequence[Array]
    null_sums: Sequence[Array]
    step: int

    def null_shifts(self, number: int, n: int) -> Array:
        """Mean shifts of disjoint null windows of ``n`` traces, a multiple of ``step``, ``(windows, k)``."""
        sums = self.null_sums[number][:: n // self.step]
        return np.diff(sums, axis=0) / n


def prepare(law: Law, *, references: int, null_traces: int, step: int, seed: tuple[int, ...]) -> Bench:
    """References drawn from the law, and null traces for each."""
    features, covariances, sums = [], [], []
    for number in range(references):
        reference = sample(law, Independent(), REFERENCE, seed=(*seed, number, 0)).column
        fitted = fit(np.asarray(reference, np.float32), seed=number)
        total, covariance, kept, count = np.zeros_like(fitted.mean), None, [np.zeros_like(fitted.mean)], 0
        for block in blocks(law, Independent(), seed=(*seed, number, 1), size=_BATCH // step * step):
            shift = fitted.apply(np.asarray(block.column, np.float32)) - fitted.mean.astype(np.float32)
            if covariance is None:
                covariance = np.cov(shift, rowvar=False, dtype=np.float64)
            steps = shift.reshape(-1, step, shift.shape[1]).sum(axis=1, dtype=np.float64)
            kept.extend(total + np.cumsum(steps, axis=0))
            total, count = kept[-1], count + len(block)
            if count >= null_traces:
                break
        features.append(fitted)
        covariances.append(covariance)
        sums.append(np.array(kept))
    return Bench(law, features, covariances, sums, step)


def statistics(fitted: Features, shifts: Array, direction: Array) -> Array:
    """The statistic of every test of ``TESTS`` for mean shifts ``(m, k)``, ``(m, tests)``."""
    squares = [(shifts[:, part] ** 2).sum(axis=1) for part in fitted.parts]
    return np.column_stack([*squares, shifts @ direction])


def directions(bench: Bench, change: Change, *, traces: int, seed: tuple[int, ...]) -> list[Array]:
    """Fisher's direction of the true change in the features of each reference, ``(k,)``, from many changed traces."""
    found = []
    for number, fitted in enumerate(bench.features):
        changed = sample(bench.law, Independent(), traces, seed=(*seed, number), change=change).column
        changed_mean = fitted.apply(np.asarray(changed, np.float32)).mean(axis=0, dtype=np.float64) - fitted.mean
        count = bench.step * (len(bench.null_sums[number]) - 1)
        shift = changed_mean - bench.null_sums[number][-1] / count
        covariance = bench.covariances[number]
        # What null traffic never shows, an empty cluster say, has no scale, and takes no part.
        scale = np.where(np.diag(covariance) > 0.0, np.sqrt(np.diag(covariance)), np.inf)
        correlation = covariance / scale / scale[:, None] + 0.05 * np.eye(len(scale))
        direction = np.linalg.solve(correlation, shift / scale) / scale
        found.append(direction / np.sqrt(direction @ covariance @ direction))
    return found


def critical(bench: Bench, toward: Sequence[Array], n: int, level: float) -> Array:
    """The value that each statistic of ``n`` traces passes with chance ``level`` without a change, ``(tests,)``."""
    null = np.concatenate(
        [
            statistics(fitted, bench.null_shifts(number, n), toward[number])
            for number, fitted in enumerate(bench.features)
        ]
    )
    seen = np.quantile(null, 1.0 - level, axis=0, method="inverted_cdf")
    if len(null) * level >= 100.0:
        return seen
    errors = 1.0 / n + 1.0 / np.array([REFERENCE, REFERENCE, REFERENCE / 2, REFERENCE / 2])
    limits = [
        np.mean([_quadratic_quantile(covariance[part, part] * error, level) for covariance in bench.covariances])
        for part, error in zip(bench.features[0].parts, errors, strict=True)
    ]
    limits.append(np.sqrt(errors.max() * chi2.isf(2.0 * level, 1)))
    return np.maximum(seen, limits)


def _quadratic_quantile(covariance: Array, level: float) -> float:
    """Upper quantile of ``|x|²`` for normal x, by a gamma law with the same mean, variance and skewness."""
    eigenvalues = np.maximum(np.linalg.eigvalsh(covariance), 0.0)
    first, second, third = (float((eigenvalues**power).sum()) for power in (1, 2, 3))
    freedom = second**3 / third**2
    return float(first + np.sqrt(second / freedom) * (chi2.isf(level, freedom) - freedom))
