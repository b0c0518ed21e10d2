"""An answer beside the reference's answer to the same prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from detectors.conformal import mark
from detectors.shift import shifts
from monitor.model.canary import Quality, Told

# An answer beside right ones; None where it has no words or there are none.
Measure = Callable[[str, Sequence[str]], Quality | None]

WORDS_FLOOR = 0.005
"""Differences of F1 up to this are none."""


def compared(told: Told, reference: Told, *, measure: Measure, floor: float) -> Told:
    """The answer with its distances to the reference's and its marks."""
    marks: dict[str, int] = {}
    found = shifts(reference.answer.positions, told.answer.positions)
    if len(found):
        told = replace(told, first_shift=float(found[0]), shift=float(found.mean()))
        marks["logprobs"] = mark(float(found.mean()), floor)
    apart = words_apart(reference.answer.text, told.answer.text, measure)
    marks["answers"] = mark(apart, WORDS_FLOOR)
    if told.quality is not None and reference.quality is not None:
        worse = max(0.0, reference.quality.f1 - told.quality.f1)
        told = replace(told, worse=worse)
        marks["quality"] = mark(worse, WORDS_FLOOR)
    return replace(told, changed=apart > 0, marks=marks)


def words_apart(before: str, now: str, measure: Measure) -> float:
    """0 for the same text, else ``1 − F1`` of the words, and something where only their order or the rest differs."""
    if before.strip() == now.strip():
        return 0.0
    found = measure(now, [before])
    return max(1.0 - found.f1, 2 * WORDS_FLOOR) if found is not None else 1.0
