"""Thresholds where the share of bad answers is not that of training, from the unlabelled values alone."""

from __future__ import annotations

import numpy as np

from benchmarks.scores.metrics import Array


def moved(values: Array, prior: float, other: float) -> Array:
    """Probabilities at another share of bad ones: p·π′/π against (1 − p)·(1 − π′)/(1 − π)."""
    bad, good = values * other / prior, (1 - values) * (1 - other) / (1 - prior)
    return np.asarray(bad / (bad + good))


def estimated_prior(values: Array, prior: float, *, steps: int = 200) -> float:
    """The share of bad ones by expectation maximisation (Saerens, Latinne and Decaestecker 2002).

    >>> values = np.repeat([0.2, 0.8], [900, 100])
    >>> round(estimated_prior(values, 0.5), 3)
    0.0
    >>> round(estimated_prior(np.repeat([0.2, 0.8], [70, 30]), 0.5), 3)
    0.167
    """
    share = prior
    for _ in range(steps):
        share = min(max(float(moved(values, prior, share).mean()), 1e-4), 1 - 1e-4)
    return share


def expected_f1_threshold(values: Array) -> float:
    """Where the F1 expected of calibrated probabilities is largest: 2 Σ p over the told / (told + Σ p over all).

    >>> expected_f1_threshold(np.array([0.9, 0.6, 0.2, 0.1]))
    0.6
    """
    order = np.sort(values)[::-1]
    expected = 2 * np.cumsum(order) / (np.arange(1, len(order) + 1) + order.sum())
    return float(order[int(np.argmax(expected))])
