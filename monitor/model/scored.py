"""What a batch becomes: columns of signals, scores, and the unit that one transaction stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from detectors.base import Sum
from detectors.score import Score
from monitor.model.decoded import Decoded
from monitor.model.record import Partition, Progress, Reject
from monitor.model.segment import Segment
from monitor.model.signal import Column


def take(column: Column, places: Sequence[int]) -> Column:
    """The entries of a column at ``places``, in that order."""
    return column[list(places)] if isinstance(column, np.ndarray) else [column[i] for i in places]


def common(scores: Sequence[Score]) -> Score | None:
    """The one score that all traces of a batch have, as where they lack the same input; None where they differ."""
    return scores[0] if scores and scores == [scores[0]] * len(scores) else None


@dataclass(frozen=True, slots=True)
class Scored:
    """A batch of n traces with their signals and scores, each a column of length n.

    ``cost_s`` is what each score cost on the whole batch, in seconds.
    """

    traces: Sequence[Decoded]
    columns: Mapping[str, Column]
    scores: Mapping[str, Sequence[Score]]
    cost_s: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.traces)

    def at(self, places: Sequence[int]) -> Scored:
        return Scored(
            [self.traces[i] for i in places],
            {name: take(column, places) for name, column in self.columns.items()},
            {name: [found[i] for i in places] for name, found in self.scores.items()},
            self.cost_s,
        )

    def statuses(self) -> dict[str, Counter[str]]:
        """How many traces have which status of each score."""
        return {
            name: Counter({one.status: len(found)}) if (one := common(found)) else Counter([s.status for s in found])
            for name, found in self.scores.items()
        }


def joined(one: Scored, other: Scored) -> Scored:
    """Both batches as one; a column or score that either lacks is left out, unless that one is empty."""
    if not len(one) or not len(other):
        return one if len(one) else other
    columns: dict[str, Column] = {}
    for name in one.columns.keys() & other.columns.keys():
        first, second = one.columns[name], other.columns[name]
        if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
            columns[name] = np.concatenate([first, second])
        else:
            columns[name] = [*first, *second]
    scores = {name: [*one.scores[name], *other.scores[name]] for name in one.scores.keys() & other.scores.keys()}
    return Scored([*one.traces, *other.traces], columns, scores)


@dataclass(frozen=True, slots=True)
class PaneSum:
    """What one batch adds to one pane of one segment: n and the total of the stacked feature map."""

    segment: Segment
    start: datetime
    sum: Sum


@dataclass(frozen=True, slots=True)
class Unit:
    """What one transaction stores, all or nothing; ``baseline`` is the version the sums were made with, 0 for none."""

    progress: Sequence[Progress]
    scored: Scored
    rejects: Sequence[Reject]
    repeats: Mapping[Partition, int]
    sums: Sequence[PaneSum]
    baseline: int
    received_at: datetime
