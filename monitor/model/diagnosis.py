"""The case and its diagnosis: traces on both sides of an onset, what the drift comes from, and who shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detectors.base import Array
from detectors.cause import Cause
from detectors.intervals import Estimate
from monitor.model.baseline import Baseline
from monitor.model.scored import Scored
from monitor.model.trace import Trace
from monitor.model.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Case:
    """What there is to explain.

    Attributes:
        before: traces of the segment from before the onset.
        after: its traces since.
        baseline: with the feature maps and references.
        drifting: the verdicts that drift, of one segment and pane.
        directions: of each signal's change, in its features.
    """

    before: Scored
    after: Scored
    baseline: Baseline
    drifting: Sequence[Verdict]
    directions: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Example:
    """A trace far along the change, and one with the most similar prompt from before; texts stay in the store.

    ``place`` is in standard deviations of the traces before.
    """

    trace: Trace
    place: float
    counterpart: Trace | None
    counterpart_place: float | None


@dataclass(frozen=True, slots=True)
class Size:
    """By how much a signal moved, each with the interval that holds the truth in 19 of 20 cases.

    Attributes:
        shift: along its change, in standard deviations of the traces before.
        native: difference of means in the signal's unit, or of the share of the category that moved most; None for
            vectors, which have no unit.
        of: that category; empty where the mean is meant.
        before: the mean or the share before; None for vectors.
    """

    shift: Estimate
    native: Estimate | None
    of: str
    before: float | None

    def evidence(self) -> dict[str, Any]:
        return {
            "shift": [self.shift.value, self.shift.low, self.shift.high],
            "change": None if self.native is None else [self.native.value, self.native.low, self.native.high],
            "of": self.of,
            "before": self.before,
        }


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Causes, largest share first, each with a sentence; shares add to one.

    Attributes:
        causes: the last is what is unexplained.
        sentences: one per cause.
        builds: for each cause the builds of the traces since that have its value, or of all where it has none.
        behaviour: for each drifting signal, the share of its shift that is other answers to the same topics; what is
            left is other questions. None where the shift is too small for parts.
        sizes: by how much each drifting signal moved.
        prompts_moved: whether what is asked changed; None without embeddings, which alone could tell.
        source: where or with what the drift came, as a part of a sentence: ``on build int4-7f3a``.
        detail: behaviour and mix, whether the prompts moved, and how answers changed.
        traces: how many traces were compared, before and after.
        examples: the farthest first.
    """

    causes: Sequence[Cause]
    sentences: Sequence[str]
    builds: Sequence[Sequence[str]]
    behaviour: Mapping[str, float | None]
    sizes: Mapping[str, Size]
    prompts_moved: bool | None
    source: str
    detail: str
    traces: tuple[int, int]
    examples: Sequence[Example]

    @property
    def named(self) -> Sequence[Cause]:
        """The causes that are sure, largest share first."""
        return [cause for cause in self.causes if cause.kind != "unexplained"]

    def evidence(self) -> dict[str, Any]:
        """As JSON has it; traces by tenant, id and time."""
        return {
            "summary": f"{self.source}: {self.detail}" if self.detail else self.source,
            "source": self.source,
            "detail": self.detail,
            "causes": [
                {
                    "kind": cause.kind,
                    "name": cause.name,
                    "share": cause.share,
                    "p_value": cause.p_value,
                    "beside": [list(pair) for pair in cause.beside],
                    "sentence": sentence,
                    "builds": list(builds),
                }
                for cause, sentence, builds in zip(self.causes, self.sentences, self.builds, strict=True)
            ],
            "behaviour": dict(self.behaviour),
            "sizes": {signal: size.evidence() for signal, size in self.sizes.items()},
            "prompts_moved": self.prompts_moved,
            "traces": {"before": self.traces[0], "after": self.traces[1]},
            "examples": [
                {
                    **place_of(example.trace, example.place),
                    "before": None
                    if example.counterpart is None
                    else place_of(example.counterpart, example.counterpart_place),
                }
                for example in self.examples
            ],
        }


def place_of(trace: Trace, place: float | None) -> dict[str, Any]:
    return {"tenant": trace.tenant, "id": trace.id, "time": trace.time.isoformat(), "place": place}
