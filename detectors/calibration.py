"""Scores as probabilities: how often people call an answer bad that has this value.

How much is fitted depends on how many labels there are: too few labels for a curve still tell how common bad answers
are. Measures are those of calibration work: expected calibration error over bins of equal mass, and Brier's score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.special import expit, logit

from detectors.base import Array

Kind = Literal["none", "prior", "platt", "isotonic"]
Flags = NDArray[np.bool_]

PLATT_LABELS = 100
ISOTONIC_LABELS = 1000
# A score of 0 or 1 is no proof.
_EDGE = 0.01
_STEPS = 100
_SMALL = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A monotone map from a score to the probability that the answer is bad.

    Attributes:
        kind: ``none`` keeps the score, ``prior`` shifts its log-odds, ``platt`` also scales them, ``isotonic`` is a
            curve through ``knots``.
        labels: how many labels it was fitted to.
        slope, intercept: of the log-odds.
        knots: scores and their probabilities ``(2, k)``, both ascending; between them it is linear.
    """

    kind: Kind
    labels: int
    slope: float = 1.0
    intercept: float = 0.0
    knots: Array | None = None

    def apply(self, values: Array) -> Array:
        """Probabilities ``(n,)``; NaN stays NaN."""
        values = np.asarray(values, dtype=np.float64)
        if self.kind == "none":
            return values
        if self.knots is not None:
            found: Array = np.interp(values, self.knots[0], self.knots[1])
            return np.where(np.isnan(values), np.nan, found)
        odds: Array = expit(self.slope * _odds(values) + self.intercept)
        return odds


def calibrate(values: Array, bad: Flags) -> Calibration:
    """The calibration that so many labels allow: none, the prior (< 100), Platt (< 1,000), isotonic.

    Labels of one kind only tell no curve: then the prior alone, however many there are.

    >>> values, bad = np.array([0.2, 0.2, 0.2, 0.2]), np.array([True, False, False, False])
    >>> found = calibrate(values, bad)
    >>> found.kind, bool(found.apply(values)[0] > 0.2)
    ('prior', True)
    """
    known = np.isfinite(values)
    values, bad = np.asarray(values, dtype=np.float64)[known], np.asarray(bad, dtype=bool)[known]
    if not len(values):
        return Calibration("none", 0)
    if len(values) < PLATT_LABELS or bad.all() or not bad.any():
        return prior(values, bad)
    return platt(values, bad) if len(values) < ISOTONIC_LABELS else isotonic(values, bad)


def prior(values: Array, bad: Flags) -> Calibration:
    """The shift of the log-odds at which as many bad answers are expected as there were, one of each kind added.

    The expectation rises with the shift, so bisection finds it.
    """
    wanted = (bad.sum() + 1) / (len(bad) + 2)
    odds = _odds(values)
    low, high = -20.0, 20.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(odds + middle).mean() < wanted else (low, middle)
    return Calibration("prior", len(bad), intercept=(low + high) / 2)


def platt(values: Array, bad: Flags) -> Calibration:
    """Slope and intercept of the log-odds by Newton's method, with Platt's smoothed targets; never a falling slope.

    Platt 1999; targets (n₊ + 1)/(n₊ + 2) and 1/(n₋ + 2).
    """
    count = int(bad.sum())
    targets = np.where(bad, (count + 1) / (count + 2), 1 / (len(bad) - count + 2))
    inputs = np.stack([_odds(values), np.ones(len(values))])
    weights, loss = np.zeros(2), np.inf
    for _ in range(_STEPS):
        found = expit(weights @ inputs)
        curvature = (inputs * (found * (1 - found))) @ inputs.T + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, inputs @ (targets - found))
        # The likelihood is concave: a step that overshoots is halved until it gains.
        while (reached := _loss((weights + step) @ inputs, targets)) > loss and np.abs(step).max() > _SMALL:
            step = step / 2
        weights, loss = weights + step, reached
        if np.abs(step).max() <= _SMALL:
            break
    if weights[0] <= 0:
        return prior(values, bad)
    return Calibration("platt", len(bad), float(weights[0]), float(weights[1]))


def isotonic(values: Array, bad: Flags) -> Calibration:
    """The rising curve nearest to the labels (pool adjacent violators), one label of each kind added at the ends.

    Each pool is a knot at the mean of its scores, so the curve has no jumps.
    """
    order = np.argsort(values, kind="stable")
    scores = np.concatenate([[0.0], values[order], [1.0]])
    curve = isotonic_regression(np.concatenate([[0.0], bad[order].astype(np.float64), [1.0]]))
    starts = curve.blocks[:-1]
    sizes = np.diff(curve.blocks)
    means = np.add.reduceat(scores, starts) / sizes
    # Pools of one score each have one mean: the knots must ascend.
    places, first = np.unique(means, return_index=True)
    # One label of each kind in every pool keeps it from certainty.
    held = np.add.reduceat(np.concatenate([[0.0], bad[order].astype(np.float64), [1.0]]), starts)
    shares = np.maximum.accumulate(((held + 0.5) / (sizes + 1))[first])
    return Calibration("isotonic", len(bad), knots=np.stack([places, shares]))


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about the same probability: the mean of it, the share that was bad, and how many they are."""

    expected: float
    observed: float
    count: int


def reliability(probabilities: Array, bad: Flags, *, bins: int = 10) -> list[Bin]:
    """Bins of equal mass, by rising probability; fewer where there are fewer answers."""
    order = np.argsort(probabilities, kind="stable")
    parts = np.array_split(order, max(1, min(bins, len(order))))
    return [Bin(float(probabilities[at].mean()), float(bad[at].mean()), len(at)) for at in parts if len(at)]


def calibration_error(found: Sequence[Bin]) -> float:
    """Expected calibration error: Σ n_b/n · |expected − observed|.

    >>> round(calibration_error([Bin(0.25, 0.5, 10), Bin(0.75, 0.75, 30)]), 4)
    0.0625
    """
    total = sum(each.count for each in found)
    return sum(each.count * abs(each.expected - each.observed) for each in found) / total if total else 0.0


def brier(probabilities: Array, bad: Flags) -> float:
    """The mean squared distance from probability to label."""
    return float(((probabilities - bad) ** 2).mean()) if len(bad) else 0.0


def _loss(odds: Array, targets: Array) -> float:
    return float((np.logaddexp(0.0, odds) - targets * odds).sum())


def _odds(values: Array) -> Array:
    found: Array = logit(np.clip(values, _EDGE, 1 - _EDGE))
    return found
