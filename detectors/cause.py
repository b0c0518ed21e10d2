"""The nouns of an explanation: traces of a period, and a cause with its share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detectors.base import Array, Features, Labels

Kind = Literal[
    "adapter", "prompt_template", "model", "build", "cache", "engine", "service", "tenant",
    "traffic_mix", "new_topic", "unexplained",
]  # fmt: skip
Label = Literal["adapter", "prompt_template", "model", "build", "cache", "engine", "service", "tenant"]

# A value has come or grown when it has this much more of the traffic, and this many standard errors more.
_LEAST_GROWTH = 0.03
_GROWTH_ERRORS = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Period:
    """n traces of one period.

    Attributes:
        values: places along the change, one column per signal, ``(n, s)``.
        topics: topic of each prompt, ``(n,)``.
        folds: fold of each trace, ``(n,)``.
        labels: for each label its value of each trace, ``(n,)``; empty where a trace has none.
        prompts: unit vectors ``(n, d)``, NaN where missing; None where prompts are known by their topics alone.
    """

    values: Array
    topics: Labels
    folds: Labels
    labels: Mapping[Label, NDArray[np.str_]]
    prompts: Features | None = None

    def __len__(self) -> int:
        return len(self.topics)


@dataclass(frozen=True, slots=True)
class Cause:
    """One part of a shift.

    Attributes:
        kind: what sort of change it is; ``model`` without a name is a change of answers that no label tells of.
        name: the value of the label, empty where there is none.
        share: of the shift; the shares of all causes add to one, and one may be negative.
        p_value: of the part being nothing, corrected for how many were tried.
        beside: other labels that changed on the same traces, so that nothing tells them apart.
    """

    kind: Kind
    name: str
    share: float
    p_value: float
    beside: tuple[tuple[str, str], ...] = ()


def growth(before: Period, after: Period, label: Label, *, over_dispersion: float) -> dict[str, tuple[float, float]]:
    """The values of a label that came or grew, with their shares of the traffic before and after."""
    first, second = before.labels[label], after.labels[label]
    found = {}
    for value in np.unique(second).tolist():
        old, new = float((first == value).mean()), float((second == value).mean())
        pooled = (old * len(before) + new * len(after)) / (len(before) + len(after))
        error = np.sqrt(over_dispersion * pooled * (1.0 - pooled) * (1.0 / len(before) + 1.0 / len(after)))
        if new - old >= max(_LEAST_GROWTH, _GROWTH_ERRORS * error):
            found[value] = (old, new)
    return found
