"""What changed, and which change caused it: parts that add to the shift, the significant ones named and ranked.

Traces before and after an onset are compared along the change (``witness``). What their prompts let one expect of them
(``expectation``) is traffic: a tenant that came or grew, a new topic, else the mix. What is left is behaviour: label
values that came or grew are contrasted with the traces without them (``contrast``); what those have in common is laid
to a value that was there before if its traces alone changed, else to the model itself. With ``E y = m`` expected,

    mean_after y − mean_before y  =  (mean_after m − mean_before m)  +  (mean_after (y − m) − mean_before (y − m))
    shift                            mix                                behaviour

which with m the mean before of a prompt's topic is Kitagawa's ``Σ (p_c − p⁰_c) μ⁰_c + Σ p_c (μ_c − μ⁰_c)`` (JASA 1955).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import chi2

from detectors.base import Array
from detectors.cause import Cause, Period
from detectors.deployment import behaviour_parts
from detectors.expectation import Fit, Mask, Residuals, prepared, residuals
from detectors.traffic import traffic_parts

_NOTHING = 1e-3  # a shift that chance makes this often is not explained
# A cause is named when chance makes such a part this seldom, and when it is a tenth of the shift.
_SURE = 1e-3
_LEAST_SHARE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """What is known of s signals, each ``(s,)``.

    Attributes:
        asked: which are of the prompt alone: no model changes these.
        over_dispersion: of their means, at least one.
        reach: see ``Places``.
    """

    asked: Mask
    over_dispersion: Array
    reach: Array


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Why means moved.

    Attributes:
        causes: largest share first; what is not significant is together ``unexplained`` and last. Shares add to one.
        weights: of the signals in the shares, ``(s,)``, adding to one; zeros where the shift itself is not significant.
        shifts: by how much each signal moved, ``(s,)``, in the unit of its values.
        behaviour: how much of each shift is behaviour, ``(s,)``, in the same unit; the rest is mix and new topics.
        share: of behaviour in the whole; NaN where the shift itself is not significant.
        by_topic: how much of that each topic after holds, ``(topics,)``.
    """

    causes: tuple[Cause, ...]
    weights: Array
    shifts: Array
    behaviour: Array
    share: float
    by_topic: Array


def explain(before: Period, after: Period, signals: Signals, *, novel: int, prompt_dispersion: float) -> Explanation:
    """Explain the shift of s signals at once; one that is clearer counts for more.

    Args:
        before: n traces, places along the change ``(n, s)``.
        after: m traces.
        signals: what is known of them.
        novel: the topic of novel prompts.
        prompt_dispersion: over-dispersion of the prompts.
    """
    values = np.vstack([before.values, after.values])
    is_after = np.arange(len(values)) >= len(before)
    shifts = values[is_after].mean(axis=0) - values[~is_after].mean(axis=0)
    weights, clearness = signal_weights(before.values, after.values, signals.over_dispersion)
    if clearness <= chi2.isf(_NOTHING, len(weights)):
        nothing = np.zeros(len(weights))
        unexplained = Cause("unexplained", "", 1.0, 1.0)
        return Explanation((unexplained,), nothing, shifts, nothing, float("nan"), np.zeros(1))
    factors = np.divide(weights, shifts, out=np.zeros(len(weights)), where=weights > 0)
    fits = fits_of(before, after, novel)
    answered = values @ np.where(signals.asked, 0.0, factors)
    reach, spread = float(weights @ signals.reach), float(weights @ signals.over_dispersion)
    found = residuals(answered, fits, is_after, reach=reach, over_dispersion=spread)
    combined = values @ factors
    parts = [
        *traffic_parts(combined, found, before, after, novel=novel, over_dispersion=prompt_dispersion),
        *behaviour_parts(found, before, after),
    ]
    alone = [
        0.0 if asked else moved(residuals(column, fits, is_after, reach=reach, over_dispersion=1.0))
        for asked, column, reach in zip(signals.asked, values.T, signals.reach.tolist(), strict=True)
    ]
    by_topic = np.bincount(after.topics, weights=found.values[is_after]) / len(after)
    return Explanation(ranked(together(parts)), weights, shifts, np.array(alone), moved(found), by_topic)


def fits_of(before: Period, after: Period, novel: int) -> list[list[Fit]]:
    """What prompts let one expect; of a new topic nothing can be expected."""
    topics, folds = (
        np.concatenate([one, other]) for one, other in ((before.topics, after.topics), (before.folds, after.folds))
    )
    prompts = None
    if before.prompts is not None and after.prompts is not None:
        prompts = np.concatenate([before.prompts, after.prompts])
    return prepared(prompts, topics, folds, after=np.arange(len(topics)) >= len(before), foreign=topics == novel)


def moved(found: Residuals) -> float:
    """The shift of the mean residual."""
    return float(found.values[found.after].mean() - found.values[~found.after].mean())


def signal_weights(before: Array, after: Array, over_dispersion: Array) -> tuple[Array, float]:
    """Weights by squared standard errors that each signal moved, and the sum of these squares.

    A signal that moved against the direction that other traces chose for it has not moved: weight zero.
    """
    shifts = after.mean(axis=0) - before.mean(axis=0)
    errors = over_dispersion * (after.var(axis=0) / len(after) + before.var(axis=0) / len(before))
    squares = np.divide(np.maximum(shifts, 0.0) ** 2, errors, out=np.zeros(len(shifts)), where=errors > 0)
    return squares / max(float(squares.sum()), 1e-300), float(squares.sum())


def together(parts: Sequence[Cause]) -> list[Cause]:
    """One cause per kind and name: a tenant may bring other questions and get other answers."""
    found: dict[tuple[str, str], Cause] = {}
    for part in parts:
        other = found.get((part.kind, part.name))
        found[part.kind, part.name] = part if other is None else merged(other, part)
    return list(found.values())


def merged(one: Cause, other: Cause) -> Cause:
    """The shares added; the smaller p-value twice, for there were two to choose from."""
    p_value = min(2.0 * min(one.p_value, other.p_value), 1.0)
    return replace(one, share=one.share + other.share, p_value=p_value, beside=one.beside + other.beside)


def ranked(parts: Sequence[Cause]) -> tuple[Cause, ...]:
    """Significant parts of some size, the largest first; the rest is one part, unexplained, and comes last."""
    sure = [
        part for part in parts if part.p_value < _SURE and part.share >= _LEAST_SHARE and part.kind != "unexplained"
    ]
    left = float(sum(part.share for part in parts) - sum(part.share for part in sure))
    sure.sort(key=lambda part: -part.share)
    return (*sure, Cause("unexplained", "", left, 1.0))
