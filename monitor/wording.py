"""Causes in words: one sentence each, and one for the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detectors.cause import Cause
from monitor.model.diagnosis import Size

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

# A cause with this share or more needs no word of it.
NEARLY_ALL = 0.8

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


def manner(sizes: Mapping[str, Size]) -> str:
    """How answers changed, by the most telling signal whose mean surely moved; empty where none tells."""
    for signal in TELLING:
        native = sizes[signal].native if signal in sizes else None
        if native is not None and (native.low > 0 or native.high < 0):
            return MANNERS[signal][0 if native.value > 0 else 1]
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


def source(causes: Sequence[Cause], about: str, *, clear: bool) -> str:
    """Where or with what a drift came: the named causes, each with its share where it is not nearly all there is.

    ``clear`` tells whether the traces compared show a shift that chance hardly makes.
    """
    named = [cause for cause in causes if cause.kind != "unexplained"][:3]
    if not named:
        return "from a cause that no trace surely tells of" if clear else "from a cause not yet clear"
    alone = len(named) == 1 and named[0].share >= NEARLY_ALL
    return " and ".join(_place(cause, about) + ("" if alone else f" ({percent(cause.share)} of it)") for cause in named)


def _place(cause: Cause, about: str) -> str:
    others = " or ".join(f"{LABELS.get(label, label)} {name or 'none'}" for label, name in cause.beside)
    return f"{_named(cause, about)}{f' or {others}' if others else ''}"


def _named(cause: Cause, about: str) -> str:
    match cause.kind:
        case "new_topic":
            return f"with a new topic{about}"
        case "traffic_mix":
            return "with other shares of the same topics"
        case "tenant":
            return f"with the traffic of tenant {cause.name}"
        case "cache" if cause.name:
            return f"in answers from the {cause.name} cache"
        case "cache":
            return "with fewer answers from a cache"
        case "model" if not cause.name:
            return "in the model itself, where no label changed,"
        case _:
            return f"on {LABELS[cause.kind]} {cause.name}" if cause.name else f"without {LABELS[cause.kind]}"


def detail(behaviour: float | None, *, prompts_moved: bool | None, how: str) -> str:
    """The parts of behaviour and mix, whether the prompts moved if known, and how answers changed.

    >>> detail(0.714, prompts_moved=False, how="more refusals about refunds")
    '71 % behaviour, 29 % mix; the prompts did not move; more refusals about refunds'
    >>> detail(0.999, prompts_moved=None, how="")
    'all behaviour'
    """
    prompts = {None: "", True: "the prompts moved", False: "the prompts did not move"}[prompts_moved]
    return "; ".join(part for part in (_parts(behaviour), prompts, how) if part)


def _parts(behaviour: float | None) -> str:
    if behaviour is None:
        return ""
    told, rest = percent(behaviour), percent(1.0 - min(max(behaviour, 0.0), 1.0))
    if "100 %" in (told, rest):
        return "all behaviour" if told == "100 %" else "all mix"
    return f"{told} behaviour, {rest} mix"
