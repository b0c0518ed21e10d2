"""Attention on the context: an answer that looks away from it is made up more often (Lookback Lens, 2407.07071)."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.columns import Columns, worst_means
from detectors.score import Score
from detectors.tokens import Sentences


def lookaway(found: Columns) -> Columns:
    """1 − the share of attention on the context, per token."""
    return Columns(found.complaints, 1 - found.flat, found.lengths)


def lookback(found: Columns, sentences: Sequence[Sentences | None]) -> list[Score]:
    """The mean share of attention that is not on the context, in the worst sentence; ``found`` holds lookback ratios.

    >>> from detectors.columns import columns
    >>> [score.value for score in lookback(columns([[0.75, 0.25]], name="lookback ratios", most=1.0), [None])]
    [0.5]
    """
    away = lookaway(found)
    return away.scores(*worst_means(away, sentences))
