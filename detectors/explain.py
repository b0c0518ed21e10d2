"""What changed, and which change caused it: parts that add to the shift, the significant ones named and ranked.

Traces before and after an onset are compared along the change (``witness``), topic by topic (``topics``). What other
questions explain is traffic: a tenant that came or grew, a new topic, else the mix. What is left is behaviour: label
values that came or grew are contrasted with the traces without them (``contrast``); what those have in common is laid
to a value that was there before if its traces alone changed, else to the model itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import chi2

from detectors.base import Array, Labels, summarise
from detectors.cause import Cause, Period
from detectors.contrast import Mask, residuals
from detectors.decomposition import Split, split
from detectors.deployment import behaviour_parts
from detectors.traffic import traffic_parts
from detectors.witness import FOLDS

_NOTHING = 1e-3  # a shift that chance makes this often is not explained
# A cause is named when chance makes such a part this seldom, and when it is a tenth of the shift.
_SURE = 1e-3
_LEAST_SHARE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Why means moved.

    Attributes:
        causes: largest share first; what is not significant is together ``unexplained`` and last. Shares add to one.
        split: of each signal by topic and fold, ``(c, s)``.
        weights: of the signals in the shares, ``(s,)``, adding to one; zeros where the shift itself is not significant.
        behaviour: share of behaviour in the shift; the rest is mix and new topics.
    """

    causes: tuple[Cause, ...]
    split: Split
    weights: Array
    behaviour: float


def explain(
    before: Period, after: Period, *, novel: int, over_dispersion: Array, prompt_dispersion: float
) -> Explanation:
    """Explain the shift of s signals at once; one that is clearer counts for more.

    Args:
        before: n traces, places along the change ``(n, s)``.
        after: m traces.
        novel: the topic of novel prompts.
        over_dispersion: of each signal, ``(s,)``.
        prompt_dispersion: the same of the prompts.
    """
    values = np.vstack([before.values, after.values])
    is_after = np.arange(len(values)) >= len(before)
    cells = cells_of(before, after)
    parted = by_topic(values, cells, is_after)
    weights, clearness = signal_weights(before.values, after.values, over_dispersion)
    if clearness <= chi2.isf(_NOTHING, len(weights)):
        return Explanation((Cause("unexplained", "", 1.0, 1.0),), parted, np.zeros(len(weights)), float("nan"))
    shifts = parted.shift
    combined = values @ np.divide(weights, shifts, out=np.zeros(len(weights)), where=weights > 0)
    found = residuals(combined, cells, is_after, over_dispersion=float(weights @ over_dispersion))
    parts = [
        *traffic_parts(combined, found, before, after, novel=novel, over_dispersion=prompt_dispersion),
        *behaviour_parts(found, before, after),
    ]
    behaviour = float(found.values[is_after].mean() - found.values[~is_after].mean())
    return Explanation(ranked(together(parts)), parted, weights, behaviour)


def cells_of(before: Period, after: Period) -> Labels:
    """Topic and fold of the traces before, then after, as one number."""
    topics = np.concatenate([before.topics, after.topics])
    cells: Labels = FOLDS * topics + np.concatenate([before.folds, after.folds])
    return cells


def by_topic(values: Array, cells: Labels, after: Mask) -> Split:
    """The split of the shift of ``(n + m, s)`` values over the cells."""
    return split(
        *([summarise(values[rows & (cells == cell)]) for cell in range(cells.max() + 1)] for rows in (~after, after))
    )


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
