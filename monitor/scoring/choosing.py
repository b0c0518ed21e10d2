"""The scores of one trace, a family at a time: what a guard asks for, in the order of their cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from detectors.groundedness import Model
from detectors.risk import POOL, risk
from detectors.score import Score
from monitor.model.decoded import Decoded
from monitor.scoring.exchange import Exchanges, exchanges
from monitor.scoring.grounded import steps
from monitor.scoring.measuring import NOT_SET_UP
from monitor.scoring.steps import Step

OF_RISK = ("grounding", "consistency", "uncertainty")
MEMBERS = frozenset(member.score for member in POOL.members)


@dataclass(frozen=True, slots=True)
class Families:
    """The scores of a trace by family, those that are wanted: the same bits as `measure` gives them in a batch."""

    batch: Exchanges
    steps: Mapping[str, Step]
    wanted: frozenset[str]
    found: dict[str, Mapping[str, Score]]

    def __call__(self, family: str) -> Mapping[str, Score]:
        """The wanted scores of a family; what was measured for this trace is not measured again."""
        if family not in self.found:
            self.found[family] = self.risk() if family == "risk" else self.measured(self.steps[family])
        return self.found[family]

    def measured(self, step: Step) -> Mapping[str, Score]:
        names = self.wanted.intersection(step.names)
        refused = step.refuses(self.batch.items[0].trace)
        if refused is not None:
            return dict.fromkeys(names, refused)
        found: dict[str, Score] = {}
        for name, scores in step.measure(self.batch):
            if name in names:
                found[name] = scores[0]
            if len(found) == len(names):  # what nobody asks for, such as the language, is not measured
                break
        return {name: found.get(name, NOT_SET_UP) for name in names}

    def risk(self) -> Mapping[str, Score]:
        pooled = {name: [score] for family in OF_RISK for name, score in self(family).items() if name in MEMBERS}
        return {"risk": risk(pooled, POOL)[0]}


def chooser(names: Sequence[str], grounder: Model | None) -> Callable[[Decoded], Families]:
    """Opens a trace for the scores named. The trained model of groundedness runs only where its score is asked for."""
    wanted = frozenset(names) | (MEMBERS if "risk" in names else frozenset())
    asked = grounder if "grounding" in wanted else None
    by_family = {step.family: step for step in steps(asked)}
    return lambda trace: Families(exchanges([trace]), by_family, wanted, {})
