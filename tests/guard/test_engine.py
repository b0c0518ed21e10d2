import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from detectors.score import Score, ok
from monitor.errors import Permanent
from monitor.events import Event, GuardChecked
from monitor.model.check import CheckRequest, Message, Passage, trace_of
from tests.guard.support import START, engine, plan

PASSAGE = "Refunds take five days. You find the button under Billing, then Invoices."
GROUNDED = (
    "{name: grounded, stage: output, mode: enforce, then: abstain,"
    " when: {check: score, score: grounding.lexical, threshold: 0.5}}"
)
FORM = (
    "{name: form, stage: output, mode: enforce, then: deny,"
    " when: {check: score, score: format.truncation, threshold: 0.5}}"
)
SLOW = "{name: slow, stage: input, mode: enforce, then: deny, when: {check: classifier, folder: slow, label: BAD}}"
KEYS = "{name: keys, stage: input, mode: enforce, then: deny, when: {check: secrets}}"
KEY = "Why does AKIAIOSFODNN7EXAMPLE not work?"
SIZE = "{name: size, stage: input, mode: enforce, then: deny, when: {check: size, characters: 10}}"


def asked(text: str, **fields: object) -> CheckRequest:
    return CheckRequest("input", [Message("user", text)], **fields)  # type: ignore[arg-type]


def test_an_answer_from_its_passage_passes_and_another_does_not() -> None:
    guard = engine(plan(GROUNDED))
    told = guard.check(CheckRequest("output", [Message(content="Refunds?")], "Refunds take five days.", [PASSAGE]))
    made_up = "Refunds are paid in Swiss gold by courier within 12 minutes."
    invented = guard.check(CheckRequest("output", [Message(content="Refunds?")], made_up, [Passage(PASSAGE)]))
    assert (told.verdict, told.findings) == ("allow", [])
    assert (invented.verdict, invented.replacement) == ("abstain", "I don't know.")
    assert [made_up[slice(*span)] for span in invented.findings[0].spans][:2] == ["paid", "Swiss"]


def test_only_the_rules_of_the_stage_are_asked() -> None:
    guard = engine(plan(f"{GROUNDED}\n{SIZE}"))
    decision = guard.check(asked("a very long question"))
    assert [found.rule for found in decision.findings] == ["size"]
    assert decision.unmeasured == []


def test_what_an_exchange_lacks_is_told() -> None:
    decision = engine(plan(GROUNDED)).check(CheckRequest("output", [], "Refunds take five days."))
    assert [(each.rule, each.reason) for each in decision.unmeasured] == [("grounded", "no context")]


def burning(seconds: float):
    """A rule that really works for so long, holding the interpreter as Python code does."""

    def check(_text: str) -> Score:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            sum(range(1000))
        return ok(1.0)

    return check


@pytest.mark.parametrize(("on_error", "verdict"), [("allow", "allow"), ("deny", "deny")])
def test_a_rule_over_the_deadline_is_not_waited_for(on_error: str, verdict: str) -> None:
    guard = engine(plan(SLOW, head=f"deadline_ms: 50\non_error: {on_error}", slow=burning(1.0)))
    began = time.perf_counter()
    decision = guard.check(asked("hello"))
    took = time.perf_counter() - began
    assert (decision.verdict, decision.degraded) == (verdict, True)
    assert decision.unmeasured[0].reason == "not measured within 50 ms"
    assert took < 0.5, took
    assert decision.latency_s >= 0.05


def test_what_was_measured_before_the_deadline_counts() -> None:
    guard = engine(plan(f"{SLOW}\n{KEYS}", slow=burning(1.0)))
    decision = guard.check(asked(KEY))
    assert [found.rule for found in decision.findings] == ["keys"]
    assert (decision.verdict, decision.degraded) == ("deny", True)


def test_a_request_may_bring_its_own_deadline() -> None:
    guard = engine(plan(SLOW, head="deadline_ms: 1", slow=burning(0.05)))
    assert guard.check(asked("hello", deadline_ms=20_000)).findings[0].rule == "slow"
    assert guard.check(asked("hello")).degraded


def test_a_guard_whose_threads_are_all_held_still_answers_in_time() -> None:
    held, release = threading.Semaphore(0), threading.Event()

    def stuck(_text: str) -> Score:
        held.release()
        release.wait(30)
        return ok(0.0)

    guard = engine(plan(SLOW, head="deadline_ms: 30", slow=stuck), threads=2)
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(guard.check, [asked(str(n)) for n in range(8)]))
    release.set()
    assert all(answer.degraded for answer in answers)
    assert max(answer.latency_s for answer in answers) < 1.0
    assert held.acquire(timeout=0)
    assert held.acquire(timeout=0)
    assert not held.acquire(timeout=0), "a request past its deadline must not start"


def test_a_rule_that_fails_stops_no_other() -> None:
    def broken(_text: str) -> Score:
        raise ValueError("expected a text")

    decision = engine(plan(f"{SLOW}\n{KEYS}", slow=broken)).check(asked(KEY))
    assert decision.verdict == "deny"
    assert [(each.rule, each.reason) for each in decision.unmeasured] == [("slow", "ValueError: expected a text")]


def test_an_unknown_policy_is_refused_with_those_there_are() -> None:
    with pytest.raises(Permanent, match="policy: expected one of tested, got 'other'"):
        engine(plan(SIZE)).check(asked("hello", policy="other"))


def test_every_check_is_told_as_an_event() -> None:
    events: list[Event] = []
    engine(plan(f"{SLOW}\n{KEYS}", slow=burning(1.0)), events=events).check(asked(KEY))
    (event,) = events
    assert isinstance(event, GuardChecked)
    assert (event.policy, event.stage, event.verdict, event.fired, event.missed) == (
        "tested", "input", "deny", (("keys", "enforce"),), ("slow",),
    )  # fmt: skip


def test_a_stored_trace_is_judged_as_the_request_was() -> None:
    guard = engine(plan(f"{GROUNDED}\n{SIZE}"))
    request = CheckRequest("output", [Message(content="Refunds?")], "Refunds cost 12 gold coins.", [PASSAGE])
    live, stored = guard.check(request), guard.judge(None, trace_of(request, START), "output")
    assert (live.verdict, live.findings, live.policy_hash) == (stored.verdict, stored.findings, stored.policy_hash)
    assert live.verdict == "abstain"


def test_answers_still_being_written_are_asked_what_a_beginning_tells() -> None:
    guard = engine(plan(f"{GROUNDED}\n{FORM}"))
    request = {"stage": "output", "output": "Refunds take", "context": [PASSAGE], "finish_reason": "length"}
    whole = guard.check(CheckRequest(**request))  # type: ignore[arg-type]
    part = guard.check(CheckRequest(**request, partial=True))  # type: ignore[arg-type]
    assert ([found.rule for found in whole.findings], part.findings) == (["form"], [])
