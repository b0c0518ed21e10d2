"""What a policy would have done to stored exchanges, by the same measuring and deciding as live ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from monitor.guard.policy import Policy
from monitor.model.check import Decision, block_of
from monitor.model.guarded import STRICTNESS, Finding, GuardVerdict, Stage, Verdict
from monitor.model.texts import parts_text, prompt_of, response_of
from monitor.model.trace import Trace
from monitor.ports import Seconds

Judge = Callable[[Trace, Stage], Decision]
STOPS = ("abstain", "deny")
STAGES: tuple[Stage, ...] = ("input", "output")
EXAMPLE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Example:
    """A trace that a rule fired on, and the words it points at."""

    id: str
    tenant: str
    time: datetime
    score: float | None
    words: str


@dataclass(slots=True)
class RuleCount:
    """What became of a rule: of how many exchanges it was asked, and how many it fired on.

    ``bad`` and ``good`` count those it fired on that people labelled so.
    """

    asked: int = 0
    fired: int = 0
    errors: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    bad: int = 0
    good: int = 0
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """Counts over the traces seen.

    Attributes:
        verdicts: as the modes of the policy have it.
        enforced: had every rule been enforced.
        compared: traces on which a guard had decided by these very rules, all of them measured.
        differing: those of them that come out otherwise now, with both verdicts.
        degraded: traces on which such a guard could not measure all, and which were not compared.
        bad, good: labelled traces.
        judging_s: what each trace took, alone on one thread.
    """

    traces: int = 0
    since: datetime | None = None
    until: datetime | None = None
    rules: dict[str, RuleCount] = field(default_factory=dict)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    enforced: Counter[Verdict] = field(default_factory=Counter)
    compared: int = 0
    degraded: int = 0
    differing: list[tuple[str, Verdict, Verdict]] = field(default_factory=list)
    bad: int = 0
    good: int = 0
    judging_s: list[float] = field(default_factory=list)


def backtest(
    policy: Policy,
    judge: Judge,
    traces: Iterable[Trace],
    *,
    labels: Mapping[tuple[str, str], bool],
    examples: int,
    timer: Seconds,
) -> Report:
    """The report over traces; ``labels`` say by tenant and id which answers people called bad."""
    report = Report(rules={rule.name: RuleCount() for rule in policy.rules})
    then = {rule.name: rule.then for rule in policy.rules}
    for trace in traces:
        began = timer()
        decisions = decisions_on(trace, judge)
        report.judging_s.append(timer() - began)
        block = block_of(decisions)
        assert block is not None
        bad = labels.get((trace.tenant, trace.id))
        note(report, trace, bad)
        report.verdicts[block.verdict] += 1
        firing = [then[found.rule] if found.reason is None else "deny" for found in block.findings]
        report.enforced[max(firing, key=lambda verdict: STRICTNESS[verdict], default="allow")] += 1
        for decision in decisions:
            for count, found in fired(report, policy, decision):
                count.fired += 1
                count.bad += bad is True
                count.good += bad is False
                if len(count.examples) < examples:
                    count.examples.append(example(trace, found))
        compare(report, trace, {decision.stage: decision for decision in decisions}, judge)
    return report


def decisions_on(trace: Trace, judge: Judge) -> list[Decision]:
    """Both stages as they come live: an exchange stopped before the model is asked has no answer."""
    first = judge(trace, "input")
    if first.verdict in STOPS or not trace.output_messages:
        return [first]
    return [first, judge(trace, "output")]


def note(report: Report, trace: Trace, bad: bool | None) -> None:
    report.traces += 1
    report.since = trace.time if report.since is None else min(report.since, trace.time)
    report.until = trace.time if report.until is None else max(report.until, trace.time)
    report.bad += bad is True
    report.good += bad is False


def fired(report: Report, policy: Policy, decision: Decision) -> Iterable[tuple[RuleCount, Finding]]:
    """Counts what a decision says of every rule asked; those that fired, with their findings."""
    for rule in policy.rules:
        if rule.stage == decision.stage:
            report.rules[rule.name].asked += 1
    for each in decision.unmeasured:
        report.rules[each.rule].errors += each.error
        report.rules[each.rule].reasons[each.reason] += 1
    return [(report.rules[found.rule], found) for found in decision.findings]


def compare(report: Report, trace: Trace, made: Mapping[Stage, Decision], judge: Judge) -> None:
    """Sets the live decision beside the one of now, at the stages that were checked live, if by the same rules."""
    live = trace.guard
    if live is None or live.policy_hash != next(iter(made.values())).policy_hash:
        return
    block = block_of([made.get(stage) or judge(trace, stage) for stage in STAGES if stage in live.stages])
    if block is None:
        return
    if live.degraded:
        report.degraded += 1
        return
    report.compared += 1
    if (block.verdict, said(block)) != (live.verdict, said(live)):
        report.differing.append((trace.id, live.verdict, block.verdict))


def said(block: GuardVerdict) -> set[tuple[str, str, str, float | None]]:
    return {(found.rule, found.stage, found.verdict, found.score) for found in block.findings}


def example(trace: Trace, found: Finding) -> Example:
    """The first words that a finding points at, else the beginning of what it read."""
    text = part_of(trace, found.part or ("prompt" if found.stage == "input" else "output"))
    start, end = found.spans[0] if found.spans else (0, EXAMPLE_CHARACTERS)
    words = " ".join(text[start : min(end, start + EXAMPLE_CHARACTERS)].split())
    return Example(trace.id, trace.tenant, trace.time, found.score, words)


def part_of(trace: Trace, part: str) -> str:
    """The text of a part, as findings name it."""
    kind, _, place = part.partition(":")
    match kind:
        case "messages" if trace.input_messages:
            return parts_text(trace.input_messages[int(place)].parts)
        case "context":
            return trace.context[int(place)].text
        case "output":
            return response_of(trace)
        case _:
            return prompt_of(trace)
