"""From opinions out of fold to the three numbers a model needs beside its heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from benchmarks.scores.judged import GRID, Reading, chosen, spans_of
from benchmarks.scores.labelled import Row


@dataclass(frozen=True, slots=True)
class Calibration:
    """See `detectors.groundedness.Model`."""

    slope: float
    intercept: float
    prior: float
    word_threshold: float


def calibrate(rows: Sequence[Row], readings: Sequence[Reading]) -> Calibration:
    """Platt's sigmoid by maximum likelihood, and the threshold of the best character F1."""
    z = np.array([reading.opinion for reading in readings])
    bad = np.array([row.bad for row in rows], float)

    def loss(at: np.ndarray) -> float:
        margin = (2 * bad - 1) * (at[0] * z + at[1])
        return float(np.logaddexp(0, -margin).mean())

    slope, intercept = minimize(loss, np.array([0.5, 0.0]), method="BFGS").x
    column = chosen(spans_of(rows, readings), np.ones(len(rows), bool))
    return Calibration(float(slope), float(intercept), float(bad.mean()), float(GRID[column]))
