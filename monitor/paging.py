"""Whether people are told of a drift at all: not where other questions alone explain it, nor twice of one change."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from monitor.model.alert import Alert
from monitor.model.diagnosis import Diagnosis
from monitor.model.verdict import Verdict

# Causes and signals that tell of what is asked, never of what answers.
TRAFFIC = frozenset({"tenant", "traffic_mix", "new_topic"})
NO_DEPLOYMENT = TRAFFIC | {"unexplained"}
ASKED = frozenset({"prompt.characters", "prompt.embedding"})
# A change is the same that canaries told of if its onset is not later than this after their alert; and what lasts for
# longer than this after their alert is over, is not over.
SAME_CHANGE = timedelta(minutes=15)
# The share of its threshold at which the evidence that the prompts moved, too, is worth a second look.
LEANING = 0.4


def pages(verdicts: Sequence[Verdict], diagnosis: Diagnosis, *, laid: Collection[str] | None) -> bool:
    """True unless traffic explains the drift, or may well do so.

    Where a cause is sure, it decides. Where none is, the drift pages if most of a signal's shift is other answers to
    the same questions, or if no part of it can be told and the prompts keep still. Once a look has paged nobody, doubt
    is not enough: it takes a cause, or another signal whose shift is surely other answers.

    Args:
        verdicts: all of a pane.
        diagnosis: of the drifting ones.
        laid: signals that an earlier look at the same drift laid to traffic and paged nobody; None at the first look.
    """
    if diagnosis.named:
        traffic = TRAFFIC.issuperset(cause.kind for cause in diagnosis.named)
        return not traffic or (laid is None and sum(cause.share for cause in diagnosis.named) < 0.5)
    signals = [verdict.signal for verdict in verdicts if verdict.drifted and verdict.signal not in ASKED]
    if laid is not None:
        return any(surely_behaviour(diagnosis, signal) for signal in signals if signal not in laid)
    waiting = leaning(verdicts)
    return not all(asked(diagnosis.behaviour.get(signal), waiting=waiting) for signal in signals)


def known(diagnosis: Diagnosis, told: Collection[str]) -> bool:
    """True where each deployment that a drift is laid to answered as a build that people have been told of.

    Not all of its traces have to be of that build: a model that gets another prompt template is another build. Without
    a cause that is sure, any trace since the onset may be of the build.

    Args:
        diagnosis: of the drifting signals.
        told: builds that canaries have just paged for.
    """
    parts = list(zip(diagnosis.causes, diagnosis.builds, strict=True))
    if diagnosis.named:
        parts = [(cause, builds) for cause, builds in parts if cause.kind not in NO_DEPLOYMENT]
    return bool(parts) and all(not set(told).isdisjoint(builds) for _, builds in parts)


def builds_told(alerts: Sequence[Alert]) -> Collection[str]:
    """The builds that alerts of canaries are about."""
    causes = [cause for alert in alerts for cause in alert.evidence["explanation"]["causes"]]
    return {cause["name"] for cause in causes if cause["name"]}


def asked(behaviour: float | None, *, waiting: bool) -> bool:
    """True where most of a signal's shift is what the prompts let one expect, or where one waits to know its parts."""
    return waiting if behaviour is None else behaviour < 0.5


def surely_behaviour(diagnosis: Diagnosis, signal: str) -> bool:
    """True where more of a signal's shift is behaviour than mix, by more than the shift's own doubt."""
    behaviour, size = diagnosis.behaviour.get(signal), diagnosis.sizes.get(signal)
    if behaviour is None or size is None:
        return False
    return (2 * behaviour - 1) * size.shift.value > (size.shift.high - size.shift.low) / 2


def laid_to_traffic(explanation: Mapping[str, Any]) -> Collection[str]:
    """The signals most of whose shift an explanation, as evidence, lays to other questions.

    Where traffic comes and goes, its drift fades for a while: parts of what is left of a shift are mostly noise.
    """
    shares: Mapping[str, float | None] = explanation.get("behaviour", {})
    return [signal for signal, share in shares.items() if share is not None and share < 0.5]


def leaning(verdicts: Sequence[Verdict]) -> bool:
    """True where the prompts drift, or are on the way there."""
    return any(
        verdict.signal in ASKED and (verdict.drifted or verdict.log_e >= LEANING * verdict.log_threshold)
        for verdict in verdicts
    )
