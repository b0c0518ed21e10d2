"""The engine: one pool of threads, a deadline, and the same measuring for live exchanges and stored ones."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Overrun
from dataclasses import dataclass, field

from msgspec import structs

from detectors.score import failed, insufficient
from monitor.errors import Permanent
from monitor.events import GuardChecked
from monitor.guard.deciding import Reading, decide, outcome
from monitor.guard.plan import Plan
from monitor.model.check import CheckRequest, Decision, Message, trace_of
from monitor.model.decoded import Decoded
from monitor.model.guarded import Stage
from monitor.model.record import Partition, Record
from monitor.model.trace import Trace
from monitor.ports import Clock, Emit, Seconds

TOO_LARGE = Reading(insufficient("not read: refused for its size"))
NOWHERE = Record(Partition("guard", 0), 0, b"", {})


@dataclass(slots=True)
class Measuring:
    """One exchange being measured: readings appear as probes finish; ``over`` ends it before the next probe."""

    plan: Plan
    trace: Decoded
    rules: frozenset[str]
    readings: dict[str, Reading] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        scores = self.plan.scores(self.trace)
        for probe in self.plan.probes:
            if self.over.is_set():
                return
            wanted = self.rules.intersection(probe.rules)
            if not wanted:
                continue
            try:
                found = probe.measure(self.trace.trace, scores)
            except Exception as error:  # noqa: BLE001 - no rule may stop the others
                problem = Reading(failed(f"{type(error).__name__}: {error}"[:300]))
                found = dict.fromkeys(probe.rules, problem)
            self.readings.update({name: reading for name, reading in found.items() if name in wanted})
            if probe.cost == 0 and any(map(self.denied, wanted)):
                # What is refused for its size is not read: others wait while it would be.
                self.readings.update(dict.fromkeys(self.rules - self.readings.keys(), TOO_LARGE))
                return

    def denied(self, name: str) -> bool:
        rule = next(rule for rule in self.plan.policy.rules if rule.name == name)
        return outcome(rule, self.readings[name], "allow", "").verdict == "deny"


class Engine:
    """Checks exchanges; safe to share among threads.

    An exchange waits at most for its deadline, its turn in the pool included: what is not measured then counts as an
    error, for which each rule has its ``on_error``. A rule that is under way can't be stopped and holds its thread
    until it ends; while all threads are held, exchanges are answered at their deadline.
    """

    def __init__(self, plans: Sequence[Plan], *, threads: int, timer: Seconds, clock: Clock, emit: Emit) -> None:
        self.plans: Mapping[str, Plan] = {plan.policy.name: plan for plan in plans}
        self.default = plans[0]
        self.timer, self.clock, self.emit = timer, clock, emit
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="guard")

    def check(self, request: CheckRequest) -> Decision:
        """The decision on a request. Raises Permanent where it names a policy that is not here."""
        began = self.timer()
        plan = self.plan_of(request.policy)
        deadline_s = (request.deadline_ms or plan.policy.deadline_ms) / 1000
        asked = plan.asked(request.stage, partial=request.partial)
        trace = Decoded(NOWHERE, trace_of(request, self.clock()), b"", {})
        measuring = Measuring(plan, trace, frozenset(rule.name for rule in asked))
        late = ""
        try:
            self.pool.submit(measuring.run).result(max(began + deadline_s - self.timer(), 0.0))
        except Overrun:
            measuring.over.set()
            late = f"not measured within {deadline_s * 1000:g} ms"
        # Readings that come in from now on are no part of the decision.
        decision = decide(plan.policy, request.stage, asked, dict(measuring.readings), late=late)
        decision = structs.replace(decision, policy_hash=plan.hash, latency_s=self.timer() - began)
        self.emit(told(decision))
        return decision

    def judge(self, policy: str | None, trace: Trace, stage: Stage) -> Decision:
        """What `check` says of a stored exchange, given all the time it needs."""
        plan = self.plan_of(policy)
        asked = plan.asked(stage)
        measuring = Measuring(plan, Decoded(NOWHERE, trace, b"", {}), frozenset(rule.name for rule in asked))
        measuring.run()
        return structs.replace(decide(plan.policy, stage, asked, measuring.readings), policy_hash=plan.hash)

    def warm(self) -> None:
        """Measure once, so that no request waits for what is loaded at first use."""
        question = Message(content="How do I get a refund?")
        answer = "Open Billing. Refunds take five days."
        both: tuple[Stage, ...] = ("input", "output")
        for name in self.plans:
            for stage in both:
                request = CheckRequest(stage, [question], answer, [answer], samples=[answer] * 5)
                self.judge(name, trace_of(request, self.clock()), stage)

    def plan_of(self, policy: str | None) -> Plan:
        if policy is None:
            return self.default
        if policy not in self.plans:
            raise Permanent(f"policy: expected one of {', '.join(self.plans)}, got {policy[:80]!r}")
        return self.plans[policy]

    def close(self) -> None:
        """Takes no more; threads end when their rules do."""
        self.pool.shutdown(wait=False, cancel_futures=True)


def told(decision: Decision) -> GuardChecked:
    fired = Counter((found.rule, found.mode) for found in decision.findings)
    missed = tuple(each.rule for each in decision.unmeasured if each.error)
    return GuardChecked(decision.policy, decision.stage, decision.verdict, decision.latency_s, tuple(fired), missed)
