"""A batch as its scores see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.abstention import abstention
from detectors.score import Score
from detectors.stems import Stems
from monitor.model.decoded import Decoded
from monitor.model.trace import Trace, prompt_of, response_of


@dataclass(frozen=True, slots=True)
class Exchanges:
    """Traces with what was asked and answered, whether the answer declines, and the stems met so far."""

    items: Sequence[Decoded]
    prompts: Sequence[str]
    answers: Sequence[str]
    refusals: Sequence[Score]
    stems: Stems

    @property
    def traces(self) -> list[Trace]:
        return [item.trace for item in self.items]

    def __len__(self) -> int:
        return len(self.items)

    def at(self, places: Sequence[int]) -> Exchanges:
        """The exchanges at these places, in that order."""
        if len(places) == len(self):
            return self
        return Exchanges(
            [self.items[i] for i in places],
            [self.prompts[i] for i in places],
            [self.answers[i] for i in places],
            [self.refusals[i] for i in places],
            self.stems,
        )


def exchanges(items: Sequence[Decoded]) -> Exchanges:
    answers = [response_of(item.trace) for item in items]
    return Exchanges(items, [prompt_of(item.trace) for item in items], answers, abstention(answers), Stems())
