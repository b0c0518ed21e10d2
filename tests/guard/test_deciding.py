import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.score import Score, abstained, failed, insufficient, ok
from monitor.guard.deciding import Reading, decide
from monitor.model.check import block_of
from monitor.model.guarded import STRICTNESS
from tests.guard.support import policy

RULE = (
    "{{name: {name}, stage: output, mode: {mode}, then: {then},"
    " when: {{check: score, score: hedging, threshold: 0.5}}}}"
)


def rules(*kinds: tuple[str, str, str]) -> str:
    return "\n".join(RULE.format(name=name, mode=mode, then=then) for name, mode, then in kinds)


@pytest.mark.parametrize(
    ("mode", "then", "verdict", "action"),
    [
        ("shadow", "deny", "allow", "none"),
        ("warn", "deny", "warn", "flag"),
        ("warn", "abstain", "warn", "flag"),
        ("enforce", "abstain", "abstain", "replace"),
        ("enforce", "deny", "deny", "block"),
    ],
)
def test_the_mode_bounds_the_verdict(mode: str, then: str, verdict: str, action: str) -> None:
    asked = policy(rules(("a", mode, then)))
    decision = decide(asked, "output", asked.rules, {"a": Reading(ok(0.5, ((0, 3),)), "output")})
    (finding,) = decision.findings
    assert (decision.verdict, decision.action) == (verdict, action)
    assert (finding.rule, finding.score, finding.threshold, finding.part, finding.spans) == (
        "a", 0.5, 0.5, "output", [(0, 3)],
    )  # fmt: skip
    assert not decision.degraded


def test_the_strictest_rule_decides_and_brings_its_words() -> None:
    asked = policy(rules(("a", "enforce", "abstain"), ("b", "warn", "deny")), head="replacement: Ask us.\nrefusal: No.")
    both = {"a": Reading(ok(0.9)), "b": Reading(ok(0.9))}
    assert decide(asked, "output", asked.rules, both).replacement == "Ask us."
    stricter = policy(rules(("a", "enforce", "abstain"), ("b", "enforce", "deny")), head="refusal: No.")
    assert decide(stricter, "output", stricter.rules, both).replacement == "No."


@pytest.mark.parametrize("score", [abstained("the answer only declines"), insufficient("no context")])
def test_a_score_that_is_not_there_has_no_say_and_is_told(score: Score) -> None:
    asked = policy(rules(("a", "enforce", "deny")), head="on_error: deny")
    decision = decide(asked, "output", asked.rules, {"a": Reading(score)})
    assert (decision.verdict, decision.degraded) == ("allow", False)
    assert [(each.rule, each.reason, each.error) for each in decision.unmeasured] == [("a", score.reason, False)]


@pytest.mark.parametrize(
    ("on_error", "mode", "verdict"),
    [("allow", "enforce", "allow"), ("deny", "enforce", "deny"), ("deny", "warn", "warn"), ("deny", "shadow", "allow")],
)
@pytest.mark.parametrize("reading", [None, Reading(failed("not in nats"))])
def test_an_error_counts_as_the_policy_says(on_error: str, mode: str, verdict: str, reading: Reading | None) -> None:
    asked = policy(rules(("a", mode, "abstain")), head=f"on_error: {on_error}")
    readings = {} if reading is None else {"a": reading}
    decision = decide(asked, "output", asked.rules, readings, late="not measured within 50 ms")
    assert (decision.verdict, decision.degraded) == (verdict, True)
    assert decision.unmeasured[0].reason == ("not measured within 50 ms" if reading is None else "not in nats")


def test_a_rule_may_fail_otherwise_than_its_policy() -> None:
    line = RULE.format(name="a", mode="enforce", then="abstain").replace("then:", "on_error: deny, then:")
    asked = policy(line, head="on_error: allow")
    assert decide(asked, "output", asked.rules, {}, late="late").verdict == "deny"


@given(st.lists(st.tuples(st.sampled_from(["shadow", "warn", "enforce"]), st.sampled_from(["abstain", "deny"]),
                          st.floats(0, 1)), min_size=1, max_size=6))  # fmt: skip
def test_another_rule_never_makes_a_decision_milder(kinds: list[tuple[str, str, float]]) -> None:
    asked = policy(rules(*((f"r{i}", mode, then) for i, (mode, then, _) in enumerate(kinds))))
    readings = {f"r{i}": Reading(ok(value)) for i, (_, _, value) in enumerate(kinds)}
    strict = [STRICTNESS[decide(asked, "output", asked.rules[:n], readings).verdict] for n in range(len(kinds) + 1)]
    assert strict == sorted(strict)


def test_both_stages_become_one_block_with_the_strictest_verdict() -> None:
    asked = policy(rules(("a", "enforce", "abstain"), ("b", "warn", "deny")))
    first = decide(asked, "input", asked.rules[1:], {"b": Reading(ok(0.7))})
    second = decide(asked, "output", asked.rules, {"a": Reading(ok(0.8)), "b": Reading(ok(0.1))})
    block = block_of([first, second])
    assert block is not None
    assert (block.verdict, block.action, block.rule, block.score) == ("abstain", "replace", "a", 0.8)
    assert (block.stages, [found.rule for found in block.findings]) == (["input", "output"], ["b", "a"])
    assert block_of([]) is None
