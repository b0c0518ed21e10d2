"""A comparison in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.base import Array
from detectors.intervals import Estimate
from monitor.model.comparison import Finding, Side
from monitor.model.signal import UNITS

SHOWN = 3
# What the test that decided says of vectors.
VECTOR_WORDS = {
    "mean": "moved as a whole",
    "topics": "has another mix of topics",
    "novelty": "has traffic unlike any before",
    "spread": "is wider or narrower than before",
    "shape": "has another shape",
    "missing": "is missing in another share of traces",
}


def told_scalar(name: str, means: tuple[float | None, ...], leading: str, missing: tuple[float, float]) -> str:
    """How a number changed.

    >>> told_scalar("response.tokens", (150.0, 120.0), "level", (0.0, 0.0))
    'response.tokens fell from 150 to 120 tokens (−20 %)'
    """
    before, now = means
    if before is None or now is None or leading == "missing":
        return f"{name} is missing in {percent(missing[1])} of traces, before in {percent(missing[0])}"
    unit = UNITS[name] if UNITS[name] != "score 0-1" else ""
    limits = f"from {before:.4g} to {now:.4g} {unit}".strip()
    if leading == "spread":
        return f"{name} varies otherwise (mean {limits})"
    if f"{before:.4g}" == f"{now:.4g}":
        return f"{name} has another distribution at the same mean of {now:.4g} {unit}".strip()
    verb = "rose" if now > before else "fell"
    relative = f" ({(now - before) / abs(before):+.0%})".replace("-", "−").replace("%", " %") if before else ""
    return f"{name} {verb} {limits}{relative}"


def told_category(name: str, labels: Sequence[str | None], before: Array, now: Array) -> str:
    """The label whose share changed most.

    >>> told_category("finish_reason", ["stop", "length"], np.array([0.9, 0.1]), np.array([0.7, 0.3]))
    'finish_reason stop went from 90 % to 70 %'
    """
    most = int(np.abs(now - before).argmax())
    label = "(none)" if labels[most] is None else labels[most]
    return f"{name} {label} went from {percent(float(before[most]))} to {percent(float(now[most]))}"


def told_vector(name: str, leading: str, novel: Estimate | None) -> str:
    """What changed in an embedding, by the test that decided."""
    new = f" ({percent(novel.value)} new)" if novel is not None and novel.low > 0 else ""
    return f"{name} {VECTOR_WORDS[leading]}{new}"


def sentence(before: Side, now: Side, findings: Sequence[Finding]) -> str:
    """The whole in one sentence: what changed, and whether questions or answers did."""
    tested = [finding for finding in findings if finding.verdict != "too few traces"]
    sizes = f"{before.tested:,} and {now.tested:,} traces"
    if not tested:
        return f"Too few traces to compare: {sizes}."
    changed = [finding for finding in tested if finding.verdict == "changed"]
    if not changed:
        return f"No evidence that {now.name} differs from {before.name}: {counted(len(tested))} tested on {sizes}."
    most = "; ".join(finding.told for finding in changed[:SHOWN])
    more = f"; and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    whose = blame({finding.signal for finding in changed}, {finding.signal for finding in tested})
    return (
        f"{now.name} differs from {before.name} in {len(changed)} of {counted(len(tested))}: {most}{more}"
        f"{f'. {whose}' if whose else ''}."
    )


def blame(changed: set[str], tested: set[str]) -> str:
    """Whether questions or answers changed, where both were tested.

    >>> blame({"relation"}, {"relation", "prompt.embedding"})
    'The prompts did not move: the same questions are answered otherwise'
    """
    if not {"prompt.embedding", "relation"} <= tested:
        return ""
    prompts, relation = "prompt.embedding" in changed, "relation" in changed
    if prompts and not relation:
        return "The prompts moved and answers relate to them as before: other questions are asked"
    if prompts:
        return "The prompts moved, and answers relate to them otherwise too"
    return "The prompts did not move: the same questions are answered otherwise" if relation else ""


def counted(signals: int) -> str:
    return "1 signal" if signals == 1 else f"{signals} signals"


def percent(share: float) -> str:
    """
    >>> percent(0.714), percent(0.004)
    ('71 %', '0.4 %')
    """
    return f"{100 * share:.2g} %" if abs(share) < 0.1 else f"{100 * share:.0f} %"
