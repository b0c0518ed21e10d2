"""Causes in words: one sentence each, and one for the whole."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.cause import Cause
from monitor.model.verdict import Verdict

# What a rise and a fall of a signal mean to a person.
MANNERS = {
    "abstention": ("more refusals", "fewer refusals"),
    "hedging": ("more hedging", "less hedging"),
    "uncertainty.mean_nll": ("less certain answers", "more certain answers"),
    "uncertainty.peak": ("less certain answers", "more certain answers"),
    "grounding.lexical": ("less grounded answers", "better grounded answers"),
    "response.tokens": ("longer answers", "shorter answers"),
    "response.characters": ("longer answers", "shorter answers"),
    "latency": ("slower answers", "faster answers"),
    "time_to_first_token": ("a later first token", "an earlier first token"),
}
# Of some signals that moved, these say most about the others.
TELLING = tuple(MANNERS)

LABELS = {
    "adapter": "adapter",
    "prompt_template": "prompt template",
    "model": "model",
    "build": "build",
    "engine": "engine",
    "service": "service",
    "tenant": "tenant",
    "cache": "cache",
}

NAMELESS = {
    "traffic_mix": "the same topics are asked about in other shares",
    "model": "the model itself answers otherwise: no label changed",
    "cache": "fewer answers come from a cache",
    "unexplained": "no change seen in the traces explains it",
}


def percent(share: float) -> str:
    """
    >>> percent(0.714), percent(1.04), percent(-0.02)
    ('71 %', '100 %', '0 %')
    """
    return f"{min(max(share, 0.0), 1.0):.0%}".replace("%", " %")


def manner(drifting: Sequence[Verdict]) -> str:
    """How answers changed, by the most telling signal that moved; empty where none tells.

    A signal that fell or rose in its mean: a change of shape alone has no word.
    """
    moved = {verdict.signal: verdict.effect for verdict in drifting}
    for signal in TELLING:
        effect = moved.get(signal)
        if effect is None or effect.reference is None or effect.now is None or effect.reference == effect.now:
            continue
        return MANNERS[signal][0 if effect.now > effect.reference else 1]
    return ""


def sentence(cause: Cause, about: str = "") -> str:
    """What a cause is, with its share."""
    told = f"{subject(cause, about)} ({percent(cause.share)})"
    if not cause.beside:
        return told
    others = " and ".join(f"{LABELS.get(label, label)} {name or 'none'}" for label, name in cause.beside)
    return f"{told}, changed on the same traces as {others}"


def subject(cause: Cause, about: str) -> str:
    if cause.kind == "new_topic":
        return f"a new topic{about}"
    if not cause.name:
        return NAMELESS.get(cause.kind, f"answers without {LABELS.get(cause.kind, cause.kind)} differ")
    match cause.kind:
        case "tenant":
            return f"the traffic of tenant {cause.name}"
        case "cache":
            return f"answers from the {cause.name} cache changed"
        case _:
            return f"{LABELS[cause.kind]} {cause.name} answers otherwise"


def whole(sentences: Sequence[str], behaviour: float | None, *, prompts_moved: bool | None, how: str) -> str:
    """The named causes, the parts of behaviour and mix, whether the prompts moved if known, and how answers changed."""
    told = " and ".join(sentences[:3])
    if behaviour is not None:
        told += f": {percent(behaviour)} behaviour, {percent(1.0 - min(max(behaviour, 0.0), 1.0))} mix"
    prompts = {None: "", True: "the prompts moved", False: "the prompts did not move"}[prompts_moved]
    return "; ".join(part for part in (told, prompts, how) if part)
