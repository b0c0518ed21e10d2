"""A batch as its scores see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.abstention import abstention
from detectors.grounding import Context, read
from detectors.score import Score
from detectors.stems import Stems
from monitor.model.decoded import Decoded
from monitor.model.trace import Trace, prompt_of, response_of


@dataclass(frozen=True, slots=True)
class Exchanges:
    """Traces with what was asked and answered, whether the answer declines, and what was read of it so far.

    Attributes:
        stems: of all words met.
        contexts: by place in the batch, the passages of the traces that were read.
        places: where each trace stands in the batch.
    """

    items: Sequence[Decoded]
    prompts: Sequence[str]
    answers: Sequence[str]
    refusals: Sequence[Score]
    stems: Stems
    contexts: dict[int, Context]
    places: Sequence[int]

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
            self.contexts,
            [self.places[i] for i in places],
        )

    def passages(self) -> list[Context]:
        """The passages of each trace, read once."""
        for place, item in zip(self.places, self.items, strict=True):
            if place not in self.contexts:
                self.contexts[place] = read([found.text for found in item.trace.context], self.stems)
        return [self.contexts[place] for place in self.places]


def exchanges(items: Sequence[Decoded]) -> Exchanges:
    answers = [response_of(item.trace) for item in items]
    prompts = [prompt_of(item.trace) for item in items]
    return Exchanges(items, prompts, answers, abstention(answers), Stems(), {}, range(len(items)))
