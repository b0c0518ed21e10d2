"""A batch as its scores see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from detectors.abstention import abstention
from detectors.grounding import Context, read
from detectors.score import Score
from detectors.stems import Stems
from monitor.model.decoded import Decoded
from monitor.model.texts import prompt_of, response_of
from monitor.model.trace import Trace
from monitor.scoring.languages import Guess, languages


@dataclass(frozen=True, slots=True)
class Readings:
    """What several scores need of a batch and is read once; by place in the batch, for the traces that asked."""

    stems: Stems = field(default_factory=Stems)
    contexts: dict[int, Context] = field(default_factory=dict)
    refusals: dict[int, Score] = field(default_factory=dict)
    languages: dict[int, Guess | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exchanges:
    """Traces with what was asked and answered; ``places`` is where each stands in the batch."""

    items: Sequence[Decoded]
    prompts: Sequence[str]
    answers: Sequence[str]
    places: Sequence[int]
    readings: Readings

    def __len__(self) -> int:
        return len(self.items)

    @property
    def traces(self) -> list[Trace]:
        return [item.trace for item in self.items]

    @property
    def stems(self) -> Stems:
        return self.readings.stems

    def at(self, numbers: Sequence[int]) -> Exchanges:
        """The exchanges of these numbers, in that order."""
        if len(numbers) == len(self):
            return self
        return Exchanges(
            [self.items[i] for i in numbers],
            [self.prompts[i] for i in numbers],
            [self.answers[i] for i in numbers],
            [self.places[i] for i in numbers],
            self.readings,
        )

    def passages(self) -> list[Context]:
        """The passages of each trace."""
        known = self.readings.contexts
        for place, item in zip(self.places, self.items, strict=True):
            if place not in known:
                known[place] = read([found.text for found in item.trace.context], self.stems)
        return [known[place] for place in self.places]

    def refusals(self) -> list[Score]:
        """The abstention of each answer."""
        known = self.readings.refusals
        for place, answer in zip(self.places, self.answers, strict=True):
            if place not in known:
                (known[place],) = abstention([answer])
        return [known[place] for place in self.places]

    def languages(self) -> list[Guess | None]:
        """The language of each answer."""
        known = self.readings.languages
        missing = [
            (place, answer) for place, answer in zip(self.places, self.answers, strict=True) if place not in known
        ]
        known.update(zip([place for place, _ in missing], languages([answer for _, answer in missing]), strict=True))
        return [known[place] for place in self.places]


def exchanges(items: Sequence[Decoded]) -> Exchanges:
    traces = [item.trace for item in items]
    return Exchanges(items, list(map(prompt_of, traces)), list(map(response_of, traces)), range(len(items)), Readings())
