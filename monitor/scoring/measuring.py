"""Runs the steps on a batch: columns of scores, and what each cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.risk import POOL, Pool, risk
from detectors.score import Score, failed, insufficient
from monitor.model.scored import common
from monitor.model.scores import NAMES
from monitor.scoring.exchange import Exchanges
from monitor.scoring.steps import Step

Timer = Callable[[], float]

NOT_SET_UP = insufficient("not measured by this installation")


@dataclass(frozen=True, slots=True)
class Measured:
    """The scores of n traces.

    Attributes:
        scores: by name, ``n`` of each score there is.
        cost_s: seconds each score took on the batch. What the scores of a family share counts for the first of them.
    """

    scores: Mapping[str, Sequence[Score]]
    cost_s: Mapping[str, float]

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """The values ``(n,)`` of each score, NaN where there is none."""
        return {name: values(found) for name, found in self.scores.items()}


def measure(batch: Exchanges, steps: Sequence[Step], timer: Timer, *, pool: Pool = POOL) -> Measured:
    """All scores of a batch; ``risk`` last, from the others."""
    scores: dict[str, Sequence[Score]] = {name: [NOT_SET_UP] * len(batch) for name in NAMES}
    costs: dict[str, float] = {}
    for step in steps:
        refused = [step.refuses(item.trace) for item in batch.items]
        places = [place for place, reason in enumerate(refused) if reason is None]
        found = run(step, batch.at(places), costs, timer=timer) if places else {}
        for name in step.names:
            scores[name] = merged(refused, found.get(name, [NOT_SET_UP] * len(places)))
    began = timer()
    scores["risk"] = risk(scores, pool)
    costs["risk"] = timer() - began
    return Measured(scores, costs)


def merged(refused: Sequence[Score | None], found: Sequence[Score]) -> Sequence[Score]:
    """The refusals, and in the gaps between them what was found, in order."""
    if len(found) == len(refused):
        return found
    rest = iter(found)
    return [next(rest) if reason is None else reason for reason in refused]


def run(step: Step, batch: Exchanges, costs: dict[str, float], *, timer: Timer) -> Mapping[str, Sequence[Score]]:
    """One step on its traces. Should it fail, each of them is measured alone, and what fails then says why."""
    found: dict[str, Sequence[Score]] = {}
    began = timer()
    try:
        for name, scores in step.measure(batch):
            found[name] = scores
            costs[name] = costs.get(name, 0.0) + timer() - began
            began = timer()
    except Exception as error:  # noqa: BLE001 - no trace may stop the ones behind it
        if len(batch) == 1:
            problem = failed(f"internal: {type(error).__name__}: {error}"[:500])
            return {name: [problem] for name in step.names}
        alone = [run(step, batch.at([place]), costs, timer=timer) for place in range(len(batch))]
        return {name: [each.get(name, [NOT_SET_UP])[0] for each in alone] for name in step.names}
    return found


def values(scores: Sequence[Score]) -> NDArray[np.float64]:
    one = common(scores)
    if one is not None:
        return np.full(len(scores), np.nan if one.value is None else one.value)
    return np.array([np.nan if score.value is None else score.value for score in scores], float)
