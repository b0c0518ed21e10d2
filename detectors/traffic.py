"""How much of a shift other questions explain, and whose questions they are."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from detectors.base import Array
from detectors.cause import Cause, Kind, Period, growth
from detectors.expectation import Residuals


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
    predicted = values - found.values
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
        for part, p_value in [measured(weighed, predicted, found, over_dispersion)]
    ]


def measured(weights: Array, predicted: Array, found: Residuals, over_dispersion: float) -> tuple[float, float]:
    """``Σ w_i (m_i − m̄) / m`` over the traces after, m̄ the mean of ``predicted`` before, and its two-sided p-value.

    Errors come from which prompts there are on both sides, and from what is expected of them beyond m̄, the doubt of
    which the residuals know. What the values before have beyond their expectation is in m and m̄ alike.
    """
    before, after = predicted[~found.after], predicted[found.after]
    beyond = weights * (after - before.mean())
    own = ((beyond - beyond.mean()) ** 2).sum() / len(beyond) ** 2
    centring = weights.mean() ** 2 * before.var() / len(before)
    doubt = ((found.doubt[found.after].T @ weights / len(beyond)) ** 2).sum()
    error = float(np.sqrt(over_dispersion * (own + centring) + doubt))
    part = float(beyond.mean())
    return part, float(2.0 * norm.sf(abs(part) / error)) if error > 0 else 1.0
