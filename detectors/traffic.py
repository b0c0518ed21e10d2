"""How much of a shift other questions explain, and whose questions they are."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from detectors.base import Array
from detectors.cause import Cause, Kind, Period, growth
from detectors.contrast import Residuals


def traffic_parts(
    values: Array, found: Residuals, before: Period, after: Period, *, novel: int, over_dispersion: float
) -> list[Cause]:
    """The parts of the shift of what the topics predict, ``m = values − residuals``; they add to it.

    Of a tenant that came or grew, the part beyond its old share of the traffic counts as the tenant's; what the others
    (and the tenants' old shares) ask otherwise is of a new topic or of the mix.

    Args:
        values: of the traces before, then after, ``(n + m,)``.
        found: their residuals.
        before: the n traces before.
        after: the m traces after.
        novel: the topic of novel prompts.
        over_dispersion: of the prompts, at least one.
    """
    predicted = (values - found.values)[found.after]
    centre = float(values[~found.after].mean())
    weights = np.ones(len(after))
    parts: list[tuple[Kind, str, Array]] = []
    for name, (old, new) in growth(before, after, "tenant", over_dispersion=over_dispersion).items():
        beyond = np.where(after.labels["tenant"] == name, 1.0 - old / new, 0.0)
        weights -= beyond
        parts.append(("tenant", name, beyond))
    is_new = after.topics == novel
    parts.append(("new_topic", "", np.where(is_new, weights, 0.0)))
    parts.append(("traffic_mix", "", np.where(is_new, 0.0, weights)))
    return [
        Cause(kind, name, part, p_value)
        for kind, name, weighed in parts
        for part, p_value in [measured(weighed, predicted, centre, values, found, over_dispersion)]
    ]


def measured(
    weights: Array, predicted: Array, centre: float, values: Array, found: Residuals, over_dispersion: float
) -> tuple[float, float]:
    """``Σ w_i (m_i − centre) / m`` over the traces after, and its two-sided p-value.

    Errors come from which traces there are after, from the topics' means, and from the centre.
    """
    beyond = weights * (predicted - centre)
    count = len(beyond)
    before = ~found.after
    own = (beyond - beyond.mean()) / count
    size = len(found.counts)
    carried = np.bincount(found.cells[found.after], weights=weights, minlength=size) / count
    cells = found.cells[before]
    topics = (carried / np.maximum(found.counts, 1.0))[cells] * found.values[before]
    centring = weights.mean() * (values[before] - centre) / before.sum()
    error = float(np.sqrt(over_dispersion * ((own**2).sum() + ((topics - centring) ** 2).sum())))
    part = float(beyond.mean())
    return part, float(2.0 * norm.sf(abs(part) / error)) if error > 0 else 1.0
