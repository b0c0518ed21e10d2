"""Readings to a decision: the policy's whole say, a function of what was measured and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from detectors.score import Score
from monitor.guard.policy import OnError, Policy, Rule, threshold_of
from monitor.model.check import Decision, Unmeasured
from monitor.model.guarded import ACTIONS, STRICTNESS, Finding, Stage, Verdict

# Any secret and any text over its size is one.
LEAST = 5e-324


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule's check measured, and the text that its spans point into."""

    score: Score
    part: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule comes to: a finding, or why it says nothing; neither where it was measured and did not fire."""

    finding: Finding | None = None
    unmeasured: Unmeasured | None = None

    @property
    def verdict(self) -> Verdict:
        return self.finding.verdict if self.finding is not None else "allow"


def decide(
    policy: Policy, stage: Stage, asked: Sequence[Rule], readings: Mapping[str, Reading], *, late: str = ""
) -> Decision:
    """The decision on one stage: the strictest verdict of the rules asked. A rule without a reading is an error.

    ``late`` says why readings are missing. The time it took is not known here.
    """
    outcomes = [outcome(rule, readings.get(rule.name), policy.on_error, late) for rule in asked]
    findings = [found.finding for found in outcomes if found.finding is not None]
    unmeasured = [found.unmeasured for found in outcomes if found.unmeasured is not None]
    verdict = strictest([found.verdict for found in findings])
    return Decision(
        verdict=verdict,
        action=ACTIONS[verdict],
        policy=policy.name,
        policy_hash="",
        stage=stage,
        findings=findings,
        unmeasured=unmeasured,
        replacement=said_instead(policy, verdict),
        degraded=any(found.error for found in unmeasured),
    )


def strictest(verdicts: Sequence[Verdict]) -> Verdict:
    return max(verdicts, key=lambda verdict: STRICTNESS[verdict], default="allow")


def said_instead(policy: Policy, verdict: Verdict) -> str | None:
    return {"abstain": policy.replacement, "deny": policy.refusal}.get(verdict)


def outcome(rule: Rule, reading: Reading | None, on_error: OnError, late: str) -> Outcome:
    """What a rule comes to. One whose score abstained or lacks its input has no say, and says so."""
    if reading is None or reading.score.status == "error":
        reason = late if reading is None else reading.score.reason or "error"
        missed = Unmeasured(rule.name, reason, error=True)
        if (rule.on_error or on_error) == "allow":
            return Outcome(None, missed)
        return Outcome(Finding(rule.name, rule.stage, rule.mode, held(rule, "deny"), reason=reason), missed)
    score, least = reading.score, threshold_of(rule.when) or LEAST
    if score.value is None:
        return Outcome(None, Unmeasured(rule.name, score.reason or score.status))
    if score.value < least:
        return Outcome()
    return Outcome(
        Finding(
            rule.name,
            rule.stage,
            rule.mode,
            held(rule, rule.then),
            score=score.value,
            threshold=threshold_of(rule.when),
            part=reading.part,
            spans=list(score.spans),
        )
    )


def held(rule: Rule, verdict: Verdict) -> Verdict:
    """The verdict as far as the rule's mode lets it."""
    match rule.mode:
        case "shadow":
            return "allow"
        case "warn":
            return "warn"
        case "enforce":
            return verdict
