"""Which traces behave otherwise: what each label value adds to a change of behaviour, by least squares on residuals.

Regressed on indicators of the label values that came or grew and on "after", the coefficient of a value is its
contrast to the traces that lack it at the same time (a difference in differences), and that of "after" is what the
traces without any of them have in common.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from detectors.base import Array
from detectors.expectation import Residuals


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """What each of v columns adds to the shift of the mean residual.

    Attributes:
        coefficients: ``(v,)``.
        contributions: coefficients times how much more frequent the column is after, ``(v,)``.
        p_values: two-sided, ``(v,)``.
        left: the shift less all contributions.
    """

    coefficients: Array
    contributions: Array
    p_values: Array
    left: float


def contrast(found: Residuals, columns: Array) -> Contrast:
    """Regress the residuals on an intercept and the columns ``(n + m, v)``.

    With h the rows of the pseudo-inverse and e what the regression leaves, the variance of a coefficient is
    ``Σ (h_i e_i)²`` (White, Econometrica 1980) times the over-dispersion, plus that of the expectation it rests on.
    P-values are Student's with as many degrees of freedom as the rarest side of a column after.
    """
    design = np.column_stack([np.ones(len(columns)), columns])
    inverse = np.linalg.pinv(design).T  # (n + m, v + 1)
    coefficients = inverse.T @ found.values
    left = found.values - design @ coefficients
    noise = found.over_dispersion * ((inverse * left[:, None]) ** 2).sum(axis=0)
    errors = np.sqrt(noise + ((found.doubt.T @ inverse) ** 2).sum(axis=0))[1:]
    frequency = columns[found.after].mean(axis=0)
    contributions = coefficients[1:] * (frequency - columns[~found.after].mean(axis=0))
    shift = float(found.values[found.after].mean() - found.values[~found.after].mean())
    rarest = np.where(frequency < 1.0, np.minimum(frequency, 1.0 - frequency), 1.0) * found.after.sum()
    freedom = np.maximum(rarest / found.over_dispersion - 1.0, 1.0)
    ratio = np.divide(coefficients[1:], errors, out=np.zeros(len(errors)), where=errors > 0)
    p_values = 2.0 * student.sf(np.abs(ratio), freedom)
    return Contrast(coefficients[1:], contributions, p_values, shift - float(contributions.sum()))
