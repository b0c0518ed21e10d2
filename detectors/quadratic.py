"""Whether two means differ, by a squared distance in which every axis is weighed by how little it varies by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln
from scipy.stats import chi2

from detectors.base import Array, Features


@dataclass(frozen=True, slots=True)
class Noise:
    """What chance makes of a squared distance of means, for one trace on one side: its first three cumulants.

    With n and m traces the distance has cumulants ``mean · c``, ``2 · square · c²`` and ``8 · cube · c³`` where
    ``c = 1/n + 1/m``. For Gaussian noise these are the traces of Σ, Σ² and Σ³, Σ being the weighed covariance.
    """

    mean: float
    square: float
    cube: float


@dataclass(frozen=True, slots=True, eq=False)
class Quadratic:
    """The distance ``|rootᵀ (m_b − m_a)|²`` of two means.

    Attributes:
        root: axes, each divided by the root of its variance and ridge, ``(k, k)``.
    """

    root: Features

    def noise(self, rows: Features) -> Noise:
        """The cumulants under exchange of the labels of ``(n, k)`` rows.

        With ``G`` the inner products of the weighed, centred rows these are sums over distinct rows,
        ``Σ G_ii / (n − 1)``, ``Σ G_ij² / n²`` and ``Σ G_ij G_jk G_ki / n³``: exact for permutations up to terms of
        order 1/n, also when there are fewer rows than axes, and unbiased for a root that was fitted on other rows.
        """
        n = len(rows)
        weighed = (rows - rows.mean(axis=0, dtype=np.float64).astype(np.float32)) @ self.root
        wide = n < weighed.shape[1]
        gram = weighed @ weighed.T if wide else weighed.T @ weighed
        own = np.einsum("ij,ij->i", weighed, weighed, dtype=np.float64)
        square = float(np.vdot(gram.astype(np.float64), gram))
        cube = float(np.vdot((gram @ gram).astype(np.float64), gram))
        twice = np.einsum("ij,ij->i", gram @ weighed if wide else weighed @ gram, weighed, dtype=np.float64)
        return Noise(
            mean=float(own.sum()) / (n - 1),
            square=max(square - float((own**2).sum()), 1e-9 * square) / n**2,
            cube=max(cube - 3.0 * float((own * twice).sum()) + 2.0 * float((own**3).sum()), 1e-9 * cube) / n**3,
        )

    def distance(self, shift: Array) -> float:
        """The squared distance of means that differ by ``shift (k,)``."""
        weighed = shift @ self.root
        return float(weighed @ weighed)

    def direction(self, shift: Array) -> Array:
        """The unit vector ``(k,)`` along which the rows of the two sides differ most, for their spread."""
        found = self.root.astype(np.float64) @ (shift @ self.root)
        return found / max(float(np.linalg.norm(found)), 1e-300)


def fit_quadratic(rows: Features, *, of_noise: float = 0.0, of_leading: float | None = None) -> Quadratic:
    """Weights of the principal axes of ``(n, k)`` rows: ``1 / (variance + ridge)``, or all alike without a ridge.

    Args:
        rows: of both sides, so that no label shapes the weights.
        of_noise: adds to the ridge so many times the error of a variance, ``Σ variances / n``.
        of_leading: adds so many times the size of the leading variances, ``Σ variances² / Σ variances``.
    """
    centred = rows - rows.mean(axis=0, dtype=np.float64)
    variances, axes = np.linalg.eigh(centred.T @ centred / max(len(rows) - 1, 1))
    variances = np.maximum(variances, 0.0)
    total = float(variances.sum())
    if total < 1e-30:  # rows that are all alike
        return Quadratic(np.zeros_like(axes, dtype=np.float32))
    if not of_noise and of_leading is None:
        return Quadratic(np.eye(len(variances), dtype=np.float32) / np.float32(np.sqrt(total)))
    ridge = of_noise * total / len(rows) + (of_leading or 0.0) * float((variances**2).sum()) / total
    return Quadratic((axes / np.sqrt(variances + max(ridge, 1e-12 * total))).astype(np.float32))


def log_p(distance: float, noise: Noise, unit: float) -> float:
    """The log of the chance of a distance as large, by a shifted gamma law with the same three cumulants.

    Pearson's approximation (Biometrika 46, 1959; Imhof, Biometrika 48, 1961): ``(T − κ₁)`` over its standard deviation
    is that of χ² with ``ν = square³ / cube²`` degrees of freedom.

    >>> round(float(np.exp(log_p(18.307, Noise(10.0, 10.0, 10.0), 1.0))), 4)  # tables of χ²
    0.05

    Args:
        distance: of the two means.
        noise: what chance makes of it.
        unit: ``1/n + 1/m``.
    """
    if noise.square <= 0 or noise.cube <= 0:
        return 0.0
    freedom = noise.square**3 / noise.cube**2
    standard = (distance / unit - noise.mean) / np.sqrt(2.0 * noise.square)
    value = max(freedom + float(np.sqrt(2.0 * freedom)) * standard, 0.0)
    found = float(chi2.logsf(value, freedom))
    if np.isfinite(found):
        return found
    # Beyond what a double holds: the first term of Γ(a, x) for large x.
    half, at = freedom / 2.0, value / 2.0
    return float((half - 1.0) * np.log(at) - at - gammaln(half))
