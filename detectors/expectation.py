"""What a prompt lets one expect of a trace, and how sure that is: a Gaussian process on the traces before.

A value is ``f(x) + noise`` of its prompt x, where f has a mean and the covariance ``s² k(x, x')``: k is a Gaussian of
the distance of unit vectors, plus a constant if both prompts are in one topic. What is new about a topic adds doubt
even where its prompts are near others. The shape of k and the noise are those that make the values before likeliest
(Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 5.8). A Nyström basis of some hundred
prompts stands for k (eq. 8.13), so f is a ridge regression, whose coefficients have the covariance
``σ² (ΦᵀΦ + λ)⁻¹`` given the values before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.base import Array, Features, Labels

Mask = NDArray[np.bool_]

# Length scales in median distances, standard deviations of topics, and noise over signal in mean eigenvalues.
_LENGTHS = (0.25, 0.4, 0.6, 1.0)
_TOPICS = (0.25, 1.0)
_RIDGES = np.logspace(-3.0, 3.0, 19)
_LANDMARKS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """Values of n traces before and m after, less what their prompts let one expect.

    Attributes:
        values: before, then after, ``(n + m,)``; zero for those of which nothing can be expected.
        after: whether the trace is one of after, ``(n + m,)``.
        doubt: ``|doubtᵀ h|²`` is the variance of ``Σ h_i (expected_i − f(x_i))``, ``(n + m, b)``.
        over_dispersion: of means of these values, at least one.
    """

    values: Array
    after: Mask
    doubt: Array
    over_dispersion: float


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """One basis on the traces of one fold, ready for any values.

    Attributes:
        rows: traces of the fold of which something can be expected, ``(n + m,)``.
        before: those of them before.
        basis: along its principal axes in the traces before, centred on these, ``(rows, b)``.
        variances: of the traces before along these axes, times how many they are, ``(b,)``.
    """

    rows: Mask
    before: Mask
    basis: Array
    variances: Array

    @staticmethod
    def of(basis: Array, rows: Mask, before: Mask) -> Fit:
        inner = basis[rows] - basis[before].mean(axis=0)
        variances, axes = np.linalg.eigh(inner[before[rows]].T @ inner[before[rows]])
        return Fit(rows, before, inner @ axes, np.maximum(variances, 0.0))


def prepared(prompts: Features | None, topics: Labels, folds: Labels, *, after: Mask, foreign: Mask) -> list[list[Fit]]:
    """For each fold the candidates among which the values choose.

    Args:
        prompts: unit vectors before, then after ``(n + m, d)``, NaN where missing; None where there are none.
        topics: of each prompt.
        folds: of each trace: it is expected from the traces before of its own fold.
        after: whether a trace is one of after.
        foreign: traces of which nothing can be expected, say of a new topic.
    """
    candidates = bases(prompts, topics, ~after)
    chosen = [(folds == fold) & ~foreign for fold in np.unique(folds)]
    return [
        [Fit.of(basis, rows, rows & ~after) for basis in candidates] for rows in chosen if (rows & ~after).sum() > 1
    ]


def bases(prompts: Features | None, topics: Labels, before: Mask) -> list[Array]:
    """Bases ``(n + m, b)`` of different shape; without prompts only one, of the topics."""
    one_hot = (topics[:, None] == np.unique(topics)).astype(np.float64)
    known = np.zeros(len(topics), dtype=bool) if prompts is None else np.isfinite(prompts).all(axis=1)
    there = np.flatnonzero(known & before)
    if prompts is None or len(there) < 2:
        return [one_hot]
    chosen = there[np.linspace(0, len(there) - 1, min(_LANDMARKS, len(there))).astype(np.int64)]
    landmarks = np.unique(prompts[chosen], axis=0).astype(np.float64)
    squares = np.maximum(2.0 - 2.0 * prompts[known].astype(np.float64) @ landmarks.T, 0.0)
    among = np.maximum(2.0 - 2.0 * landmarks @ landmarks.T, 0.0)
    apart = among[among > 1e-6]
    middle = float(np.median(apart)) if len(apart) else 1.0
    found = []
    for length in _LENGTHS:
        scale = 2.0 * length**2 * middle
        variances, axes = np.linalg.eigh(np.exp(-among / scale))
        kept = variances > 1e-6 * variances[-1]
        smooth = np.zeros((len(topics), int(kept.sum())))
        smooth[known] = np.exp(-squares / scale) @ (axes[:, kept] / np.sqrt(variances[kept]))
        found += [np.hstack([smooth, size * one_hot]) for size in _TOPICS]
    return found


def residuals(
    values: Array, fits: Sequence[Sequence[Fit]], after: Mask, *, reach: float, over_dispersion: float
) -> Residuals:
    """The values ``(n + m,)`` less what is expected; each fold takes its likeliest candidate.

    ``reach`` is by how much the signal may exceed the likeliest where nobody asked before: values are places along a
    direction that was chosen because of what came after, and the values before know little of it.
    """
    left = np.zeros(len(values))
    doubts = [np.zeros((len(values), 1))]
    for candidates in fits:
        rows, before = candidates[0].rows, candidates[0].before
        beyond = values - values[before].mean()
        fit, ridge, noise = likeliest(beyond[before], candidates)
        ridge /= reach
        turned = fit.basis[before[rows]].T @ beyond[before]
        left[rows] = beyond[rows] - fit.basis @ (turned / (fit.variances + ridge))
        doubt = np.zeros((len(values), len(turned)))
        doubt[rows] = fit.basis * np.sqrt(noise / (fit.variances + ridge))
        doubts.append(doubt)
    return Residuals(left, after, np.hstack(doubts), over_dispersion)


def likeliest(values: Array, candidates: Sequence[Fit]) -> tuple[Fit, float, float]:
    """The candidate and ridge of the largest marginal likelihood of centred values before, and the noise variance."""
    count, total = len(values), float(values @ values)
    best: tuple[float, Fit, float, float] | None = None
    for fit in candidates:
        turned = fit.basis[fit.before[fit.rows]].T @ values
        ridges = _RIDGES * max(float(fit.variances.mean()), 1e-12)
        left = total - (turned**2 / (fit.variances + ridges[:, None])).sum(axis=1)
        noises = np.maximum(left, 1e-12 * total + 1e-300) / count
        logs = -0.5 * count * np.log(noises) - 0.5 * np.log1p(fit.variances / ridges[:, None]).sum(axis=1)
        place = int(logs.argmax())
        if best is None or logs[place] > best[0]:
            best = float(logs[place]), fit, float(ridges[place]), float(noises[place])
    assert best is not None, "there is a candidate"
    return best[1:]
