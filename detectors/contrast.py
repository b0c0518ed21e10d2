"""Which traces behave otherwise: what each label value adds to a change of behaviour, by least squares on residuals.

A trace's residual is its value less the mean before of its topic. Regressed on indicators of the label values that
came or grew and on "after", the coefficient of a value is its contrast to the traces that lack it at the same time
(a difference in differences), and that of "after" is what the traces without any of them have in common.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from detectors.base import Array, Labels

Mask = NDArray[np.bool_]


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


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """Values of n traces before and m after, less the mean before of their cell.

    Attributes:
        values: before, then after, ``(n + m,)``; zero in cells without a trace before.
        cells: topic and fold as one number, ``(n + m,)``.
        after: whether the trace is one of after, ``(n + m,)``.
        counts: traces before in each cell, ``(c,)``.
        over_dispersion: of means of these values, at least one.
    """

    values: Array
    cells: Labels
    after: Mask
    counts: Array
    over_dispersion: float


def residuals(values: Array, cells: Labels, after: Mask, *, over_dispersion: float) -> Residuals:
    """Subtract from each value the mean before of its cell."""
    size = int(cells.max()) + 1
    before = ~after
    counts = np.bincount(cells[before], minlength=size).astype(np.float64)
    totals = np.bincount(cells[before], weights=values[before], minlength=size)
    means = totals / np.maximum(counts, 1.0)
    left = np.where(counts[cells] > 0, values - means[cells], 0.0)
    return Residuals(left, cells, after, counts, over_dispersion)


def contrast(found: Residuals, columns: Array) -> Contrast:
    """Regress the residuals on an intercept and the columns ``(n + m, v)``.

    The error takes in that the topics' means come from the traces before: a trace j before has the influence
    ``h_j e_j − r_j Σ_{i in its cell} h_i / n_cell`` on the coefficients, h being the rows of the pseudo-inverse and e
    what the regression leaves; the covariance is the sum of their outer products (White, Econometrica 1980) times the
    over-dispersion. P-values are Student's with as many degrees of freedom as the rarest side of a column after.
    """
    design = np.column_stack([np.ones(len(columns)), columns])
    inverse = np.linalg.pinv(design).T  # (n + m, v + 1)
    coefficients = inverse.T @ found.values
    left = found.values - design @ coefficients
    size = len(found.counts)
    by_cell = np.stack([np.bincount(found.cells, weights=column, minlength=size) for column in inverse.T], axis=1)
    influence = inverse * left[:, None]
    before = ~found.after
    carried = by_cell[found.cells] * (found.values / np.maximum(found.counts[found.cells], 1.0))[:, None]
    influence[before] -= carried[before]
    errors = np.sqrt(found.over_dispersion * (influence**2).sum(axis=0))[1:]
    frequency = columns[found.after].mean(axis=0)
    contributions = coefficients[1:] * (frequency - columns[before].mean(axis=0))
    shift = float(found.values[found.after].mean() - found.values[before].mean())
    rarest = np.where(frequency < 1.0, np.minimum(frequency, 1.0 - frequency), 1.0) * found.after.sum()
    freedom = np.maximum(rarest / found.over_dispersion - 1.0, 1.0)
    ratio = np.divide(coefficients[1:], errors, out=np.zeros(len(errors)), where=errors > 0)
    return Contrast(
        coefficients[1:], contributions, 2.0 * student.sf(np.abs(ratio), freedom), shift - contributions.sum()
    )
