"""A policy made ready: its rules grouped into probes, the cheap ones first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, assert_never

from detectors.score import Score, insufficient
from monitor.guard.deciding import Reading
from monitor.guard.policy import (
    ByClassifier,
    ByInjection,
    ByPersonalData,
    ByScore,
    BySecrets,
    BySimilarity,
    BySize,
    Check,
    Policy,
    Rule,
    hash_of,
    reads_of,
)
from monitor.guard.rules.injection import injection
from monitor.guard.rules.size import size
from monitor.guard.texts import texts
from monitor.model.decoded import Decoded
from monitor.model.guarded import Stage
from monitor.model.scores import NAMES
from monitor.model.trace import Trace

OfText = Callable[[str], Score]
OfFamily = Callable[[str], Mapping[str, Score]]


class Instruments(Protocol):
    """What checks are measured with; each is loaded when a policy asks for it."""

    def scores(self, names: Sequence[str]) -> Callable[[Decoded], OfFamily]:
        """Opens a trace for these scores of the catalogue, a family at a time."""

    def secrets(self) -> OfText: ...
    def personal_data(self, check: ByPersonalData) -> OfText: ...
    def similarity(self, check: BySimilarity) -> OfText: ...
    def classifier(self, folder: str, label: str) -> OfText: ...


@dataclass(frozen=True, slots=True)
class Probe:
    """Measures rules that need the same in one go: given the trace and its scores, a reading per rule."""

    rules: tuple[str, ...]
    cost: int
    measure: Callable[[Trace, OfFamily], Mapping[str, Reading]]


@dataclass(frozen=True, slots=True)
class Plan:
    """A policy with its probes, the cheap ones first, so that a deadline cuts off the dear ones."""

    policy: Policy
    hash: str
    probes: tuple[Probe, ...]
    scores: Callable[[Decoded], OfFamily]

    def asked(self, stage: Stage, *, partial: bool = False) -> list[Rule]:
        """The rules of a stage; of an answer that is still being written, those that can tell from a beginning."""
        return [
            rule for rule in self.policy.rules if rule.stage == stage and (not partial or tells_from_beginning(rule))
        ]


# What an answer lacks while it is written says nothing of it; and samples are of whole answers.
NOT_PARTIAL = ("abstention", "consistency", "format", "risk", "tokenization")
COSTS = {"grounding": 6, "consistency": 5, "uncertainty": 4, "format": 4, "retrieval": 4, "risk": 9}

NO_TEXT = insufficient("no text to read")


def tells_from_beginning(rule: Rule) -> bool:
    if rule.partial is not None:
        return rule.partial
    return not (isinstance(rule.when, ByScore) and family_of(rule.when.score) in NOT_PARTIAL)


def family_of(score: str) -> str:
    return score.partition(".")[0]


def planned(policy: Policy, instruments: Instruments) -> Plan:
    """Loads what the policy needs and puts its rules in the order of their cost."""
    by_family: dict[str, list[Rule]] = {}
    probes = []
    for rule in policy.rules:
        if isinstance(rule.when, ByScore):
            by_family.setdefault(family_of(rule.when.score), []).append(rule)
        else:
            probes.append(of_text(rule, instruments))
    probes += [of_family(family, rules) for family, rules in by_family.items()]
    names = [rule.when.score for rule in policy.rules if isinstance(rule.when, ByScore)]
    ordered = sorted(probes, key=lambda probe: probe.cost)
    return Plan(policy, hash_of(policy), tuple(ordered), instruments.scores([n for n in names if n in NAMES]))


def of_family(family: str, rules: Sequence[Rule]) -> Probe:
    wanted = {rule.name: rule.when.score for rule in rules if isinstance(rule.when, ByScore)}

    def measure(_trace: Trace, scores: OfFamily) -> Mapping[str, Reading]:
        found = scores(family)
        return {name: Reading(found[score], "output" if found[score].spans else None) for name, score in wanted.items()}

    return Probe(tuple(wanted), COSTS.get(family, 3), measure)


def of_text(rule: Rule, instruments: Instruments) -> Probe:
    cost, check = measured_by(rule.when, instruments)
    return Probe((rule.name,), cost, partial(worst, rule, check))


def worst(rule: Rule, check: OfText, trace: Trace, _scores: OfFamily) -> Mapping[str, Reading]:
    """The reading of the worst of the texts that a rule reads."""
    found = [Reading(check(text), part) for part, text in texts(trace, reads_of(rule))]
    if not found:
        return {rule.name: Reading(NO_TEXT)}
    return {rule.name: max(found, key=lambda reading: reading.score.value or 0.0)}


def measured_by(check: Check, instruments: Instruments) -> tuple[int, OfText]:
    """The cost of a check, as a rank, and what does it."""
    match check:
        case BySize(characters=limit):
            return 0, lambda text: size(text, limit)
        case BySecrets():
            return 1, instruments.secrets()
        case ByInjection():
            return 2, injection
        case ByPersonalData():
            return 5, instruments.personal_data(check)
        case BySimilarity():
            return 7, instruments.similarity(check)
        case ByClassifier(folder=folder, label=label):
            return 8, instruments.classifier(folder, label)
        case ByScore():
            raise AssertionError("scores are measured by family")
        case _:
            assert_never(check)
