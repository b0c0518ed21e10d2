"""From labels to probabilities and promises, and what is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.base import Array
from detectors.calibration import Bin, Calibration, Flags, brier, calibrate, calibration_error, reliability
from detectors.guarantee import Infeasible, at_most_missed, clean_among_passed
from monitor.model.feedback import Certificate, Fitted, Labelled

FOLDS = 5
# Under so many labels even the share of bad answers is a guess.
FEWEST_LABELS = 20


@dataclass(frozen=True, slots=True)
class Report:
    """A calibration, and bins of labels it was not fitted to: with the score as it is, and calibrated."""

    fitted: Fitted
    before: Sequence[Bin]
    after: Sequence[Bin]


def reports(labelled: Labelled, scores: Sequence[str]) -> list[Report]:
    """A report of each score that has enough labels, those asked for or all."""
    found = [report(name, labelled) for name in (scores or labelled.values)]
    return [each for each in found if each is not None]


def report(score: str, labelled: Labelled) -> Report | None:
    """The calibration of one score, measured out of fold; None with fewer than 20 labels."""
    values, bad = of_score(score, labelled)
    if len(values) < FEWEST_LABELS:
        return None
    told = out_of_fold(values, bad)
    before, after = reliability(values, bad), reliability(told, bad)
    fitted = Fitted(
        score, calibrate(values, bad), calibration_error(before), calibration_error(after), brier(told, bad)
    )
    return Report(fitted, before, after)


def of_score(score: str, labelled: Labelled) -> tuple[Array, Flags]:
    """The labels of traces that have the score."""
    values = labelled.values.get(score, np.full(len(labelled.bad), np.nan))
    known = np.isfinite(values)
    return values[known], labelled.bad[known]


def out_of_fold(values: Array, bad: Flags) -> Array:
    """Each label's probability by a calibration fitted to the other folds; every fifth row is a fold."""
    told = np.empty(len(values))
    place = np.arange(len(values)) % FOLDS
    for fold in range(FOLDS):
        told[place == fold] = calibrate(values[place != fold], bad[place != fold]).apply(values[place == fold])
    return told


def at_most_missed_of(score: str, labelled: Labelled, level: float) -> Certificate | Infeasible:
    """The threshold below which on average at most this share of bad answers is, or why there is none."""
    values, bad = of_score(score, labelled)
    found = at_most_missed(values, bad, level)
    if isinstance(found, Infeasible):
        return found
    return Certificate(score, "missed", level, None, found.value, len(values), int(bad.sum()), found.flagged)


def clean_below(score: str, labelled: Labelled, level: float, *, delta: float) -> Certificate | Infeasible:
    """The threshold below which, with probability 1 − δ, at least this share is good, or why there is none."""
    values, bad = of_score(score, labelled)
    found = clean_among_passed(values, bad, level, delta=delta)
    if isinstance(found, Infeasible):
        return found
    return Certificate(score, "clean", level, delta, found.value, len(values), int(bad.sum()), found.flagged)


def described(calibration: Calibration) -> str:
    """What was fitted, in a few words.

    >>> described(Calibration("platt", 200, 0.5, -1.25))
    'log-odds × 0.50 − 1.25'
    """
    if calibration.knots is not None:
        return f"a rising curve of {calibration.knots.shape[1]} knots"
    sign = "−" if calibration.intercept < 0 else "+"
    return f"log-odds × {calibration.slope:.2f} {sign} {abs(calibration.intercept):.2f}"
