"""Quadratic forms of a mean shift, and how large chance alone makes them.

A form is ``Q = Σ_j w_j u_j²`` over the axes of a view, where u is the mean shift divided by what chance moves it along
each axis relative to one trace's standard deviation; so u has the covariance Σ of one trace. Its cumulants are
``κ_s = 2^(s−1) (s−1)! tr((WΣ)^s)`` for a Gaussian u, and larger for the mean of few traces. A shifted gamma with the
same three cumulants gives its tail (Pearson 1959; Imhof 1961 finds it good far out).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc, log_ndtr

from detectors.base import Array, Features, View

_DRAWS = 4096
_CHUNK = 256
# Above this shape the cube root of a gamma is a Gaussian to within a tenth of the log tail.
_GAUSSIAN_SHAPE = 8.0
_MATTERS = 2.3


@dataclass(frozen=True, slots=True, eq=False)
class Cumulants:
    """The first three cumulants of each of r forms of a mean of n independent traces: ``κ + a / n + b / n²``.

    Attributes:
        gaussian: κ, those of a Gaussian shift, ``(r, 3)``.
        few: a, ``(r, 3)``.
        fewer: b, ``(r, 3)``.
    """

    gaussian: Array
    few: Array
    fewer: Array

    def of(self, fewness: Array) -> Array:
        """Cumulants ``(…, r, 3)`` where ``fewness (…)`` is one over the effective number of traces in the mean."""
        each = fewness[..., None, None]
        total: Array = self.gaussian + each * self.few + each**2 * self.fewer
        return total


def form_weights(views: tuple[View, ...], variances: Array) -> Array:
    """Weights ``(r, t)`` of every form of every view over the squared shift; an axis without variance has none.

    A ridge is relative to ``Σ v² / Σ v``, the size of the leading variances of its view.
    """
    rows = []
    for view in views:
        own = variances[view.start : view.stop]
        size = float((own**2).sum() / max(own.sum(), 1e-300))
        for ridge in view.ridges:
            row = np.zeros(len(variances))
            if size > 0:
                row[view.start : view.stop] = 1.0 / (size if ridge is None else np.maximum(own + ridge * size, 1e-300))
            rows.append(row)
    return np.stack(rows)


def priors(views: tuple[View, ...]) -> Array:
    """The share of false alarms ``(r,)`` of each form, adding to one."""
    shares = np.array([view.weight / len(view.ridges) for view in views for _ in view.ridges])
    normed: Array = shares / shares.sum()
    return normed


def dimensions(views: tuple[View, ...], variances: Array) -> Array:
    """For each axis ``(t,)`` the effective number of dimensions of its view, ``(Σ v)² / Σ v²``."""
    found = np.ones(len(variances))
    for view in views:
        own = variances[view.start : view.stop]
        found[view.start : view.stop] = float(own.sum() ** 2 / max((own**2).sum(), 1e-300)) if own.any() else 1.0
    return found


def cumulants(
    rows: Array, views: tuple[View, ...], weights: Array, random: np.random.Generator, *, few: int = 4
) -> Cumulants:
    """The cumulants of forms of the mean of independent ``rows (n, t)``, centred.

    The Gaussian ones come of the sample covariance, less its bias; what few rows add is drawn: means of ``few`` rows
    and of four times as many.
    """
    gaussian = np.zeros((len(weights), 3))
    beyond = np.zeros((2, len(weights), 3))
    starts = [(view.start, view.stop) for view in views for _ in view.ridges]
    for (start, stop), forms in _by_view(starts).items():
        part = rows[:, start:stop].astype(np.float32)
        for form in forms:
            plain, gaussian[form] = _traces(part, weights[form, start:stop])
            beyond[:, form] -= plain
        for i, count in enumerate((few, 4 * few)):
            squares = _means(part, count, random) ** 2
            for form in forms:
                drawn = squares @ weights[form, start:stop].astype(np.float32)
                centred = drawn.astype(np.float64) - drawn.mean(dtype=np.float64)
                beyond[i, form] += [0.0, (centred**2).mean(), (centred**3).mean()]
    beyond[..., 0] = 0.0
    small, large = np.maximum(beyond, 0.0)
    # Solve a / f + b / f² = small, a / 4f + b / 16f² = large; the second cumulant has no b.
    fewer = np.maximum((small - 4.0 * large) * (4.0 / 3.0) * few**2, 0.0)
    fewer[:, 1] = 0.0
    return Cumulants(gaussian, np.maximum(4.0 * few * large - fewer / (4.0 * few), 0.0), fewer)


def surprise(forms: Array, cumulant: Array) -> Array:
    """``−log P(Q ≥ q)`` in nats for forms ``(…)`` with cumulants ``(…, 3)``; zero for a form without variance.

    >>> q = np.array([11.34, 16.27])  # 1 % and 0.1 % points of χ² with 3 degrees of freedom, from any table
    >>> np.exp(-surprise(q, np.array([3.0, 6.0, 24.0]))).round(4)
    array([0.01 , 0.001])
    """
    first, second, third = np.moveaxis(np.broadcast_to(cumulant, (*forms.shape, 3)), -1, 0)
    second, third = np.maximum(second, 1e-60), np.maximum(third, 1e-90)
    shape = np.maximum(4.0 * second**3 / third**2, 1e-6)
    scale = third / (2.0 * second)
    standard = np.maximum((forms - first) / scale + shape, 0.0)
    root = np.sqrt(shape)
    normal = 3.0 * root * (np.cbrt(standard / shape) - 1.0 + 1.0 / (9.0 * shape))
    found = -log_ndtr(-normal)
    # Where p is above a tenth it hardly counts.
    exact = (shape < _GAUSSIAN_SHAPE) & (found > _MATTERS)
    if exact.any():
        tail = gammaincc(shape[exact], np.minimum(standard[exact], 600.0))
        found[exact] = -np.log(np.maximum(tail, 1e-300))
    return np.where(first > 0, found, 0.0)


def _by_view(starts: list[tuple[int, int]]) -> dict[tuple[int, int], list[int]]:
    found: dict[tuple[int, int], list[int]] = {}
    for form, view in enumerate(starts):
        found.setdefault(view, []).append(form)
    return found


def _means(rows: Features, few: int, random: np.random.Generator) -> Features:
    """Sums over ``√n`` of n rows drawn with replacement, many times."""
    found = np.empty((_DRAWS, rows.shape[1]), dtype=np.float32)
    for start in range(0, _DRAWS, _CHUNK):
        chosen = random.integers(0, len(rows), (_CHUNK, few))
        found[start : start + _CHUNK] = rows[chosen].sum(axis=1) / np.sqrt(few)
    return found


def _traces(rows: Features, weight: Array) -> tuple[Array, Array]:
    """``κ_1 … κ_3`` from the sample covariance of the rows as it is, and without its bias."""
    n = max(len(rows), 4)
    weighted = rows * np.sqrt(weight).astype(np.float32)
    matrix = (weighted.T @ weighted).astype(np.float64) / max(len(rows) - 1, 1)
    one, square = float(np.trace(matrix)), matrix @ matrix
    two, three = float(np.trace(square)), float(np.einsum("ij,ji->", square, matrix))
    # Leading terms of E tr S² and E tr S³ for a Wishart S (Letac and Massam 2004).
    two_free = max(two - one**2 / n, two * 0.05) * n / (n + 1)
    three_free = max(three - 3.0 * one * two_free / n - one**3 / n**2, three * 0.01) * n**2 / (n**2 + 3 * n)
    return np.array([one, 2.0 * two, 8.0 * three]), np.array([one, 2.0 * two_free, 8.0 * three_free])
