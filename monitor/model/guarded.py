"""What a guard said of an exchange, as it travels in the trace."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Stage = Literal["input", "output"]
Verdict = Literal["allow", "warn", "abstain", "deny"]
Mode = Literal["shadow", "warn", "enforce"]
Action = Literal["none", "flag", "replace", "block"]

STRICTNESS: dict[Verdict, int] = {"allow": 0, "warn": 1, "abstain": 2, "deny": 3}
# What the caller is to do; it notes in the trace what it did.
ACTIONS: dict[Verdict, Action] = {"allow": "none", "warn": "flag", "abstain": "replace", "deny": "block"}


class Finding(Struct, frozen=True, gc=False, omit_defaults=True):
    """A rule that fired.

    ``verdict`` is what it makes of the exchange: ``allow`` in shadow mode, at most ``warn`` in mode warn. ``part`` is
    the text that ``spans``, character offsets ``[start, end)``, point into: prompt, messages:2, context:0 or output. A
    rule without a ``score`` fired because it could not be measured, and ``reason`` says why.
    """

    rule: str
    stage: Stage
    mode: Mode
    verdict: Verdict
    score: float | None = None
    threshold: float | None = None
    part: str | None = None
    spans: list[tuple[int, int]] = []
    reason: str | None = None


class GuardVerdict(Struct, frozen=True, gc=False, omit_defaults=True):
    """The strictest verdict on the exchange over its stages, and the rule behind it.

    ``policy_hash`` names the rules exactly. ``degraded`` says that a rule was not measured, for want of time or for an
    error. ``stages`` are those that were checked.
    """

    verdict: Verdict
    action: str | None = None
    policy: str | None = None
    rule: str | None = None
    score: float | None = None
    latency_s: Annotated[float, Meta(ge=0)] | None = None
    policy_hash: str | None = None
    degraded: bool | None = None
    stages: list[str] = []
    findings: list[Finding] = []
