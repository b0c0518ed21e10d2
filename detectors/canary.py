"""Canaries: the answers to fixed prompts against those of a reference, tested after each of them.

What an answer is compared by is a distance to the reference's answer: log-probabilities in nats (``shift``), other
words, and worse agreement with the expected answer. Each has a test of its own (``conformal``): its first marks are
those of the reference's repetitions, so that the noise of an endpoint is measured and not assumed, and a prompt is only
compared with itself. The tests' capitals are averaged with the weights ``TESTS``; a mean of martingales is one, so

    P(a change is ever reported after a reference, without one) ≤ α

as long as the answers to a prompt are exchangeable: drawn alike and without hanging together with those to others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from detectors.conformal import Bag, Capital, bet, e_value, with_mark, without_mark

TESTS: Mapping[str, float] = {"logprobs": 0.5, "answers": 0.25, "quality": 0.25}
"""The tests and their shares of α."""

STILL_AT = math.log(10.0)
"""Evidence from a new start that says that a reported change goes on."""

LEAST_QUIET = 10
"""Canaries."""

Marks = Mapping[str, int]
"""The mark of an answer in each test that has its input."""


def _begin() -> Mapping[str, Capital]:
    return {test: Capital() for test in TESTS}


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered of a target since its reference.

    Attributes:
        bags: of each test, the marks of each prompt that a new one is ranked among.
        capitals: of each test.
        changed: whether a change is reported.
        quiet: canaries since it was reported or last confirmed.
        doubt: log of the payments since then, from a new start whenever it falls under 0.
    """

    bags: Mapping[str, Mapping[str, Bag]] = field(default_factory=dict)
    capitals: Mapping[str, Capital] = field(default_factory=_begin)
    changed: bool = False
    quiet: int = 0
    doubt: float = 0.0

    @property
    def log_e(self) -> float:
        """The evidence of a change: log of the mean capital. A change is reported when it reaches ``−ln α``."""
        parts = [math.log(weight) + self.capitals[test].log_e for test, weight in TESTS.items()]
        largest = max(parts)
        return largest + math.log(sum(math.exp(part - largest) for part in parts))

    @property
    def since(self) -> int:
        """How many canaries the change has lasted: since the leading capital last began to grow."""
        return max(self.capitals.values(), key=lambda capital: capital.log_e).excursion


def learn(watch: Watch, prompt: str, marks: Marks) -> Watch:
    """The watch with marks of a repetition of the reference, which are ranked among and not tested."""
    return replace(watch, bags=_with(watch.bags, prompt, marks))


def advance(watch: Watch, prompt: str, marks: Marks, *, alpha: float, prompts: int) -> Watch:
    """The watch after one answer to a prompt of ``prompts``.

    When the evidence reaches ``−ln α`` a change is reported, and bags stay as they are: what came since it began is to
    be taken out of them (``unlearn``). It is over when two rounds of the prompts, at least ten canaries, did not
    confirm it; then the test starts anew.
    """
    if watch.changed:
        return _confirm(watch, prompt, marks, prompts)
    capitals = {
        test: bet(capital, e_value(_bag(watch, test, prompt), marks[test]) if test in marks else 1.0)
        for test, capital in watch.capitals.items()
    }
    moved = replace(watch, bags=_with(watch.bags, prompt, marks), capitals=capitals)
    return replace(moved, changed=True, quiet=0, doubt=0.0) if moved.log_e >= -math.log(alpha) else moved


def unlearn(watch: Watch, seen: Iterable[tuple[str, Marks]]) -> Watch:
    """The watch without the marks of answers that came since a change began."""
    bags = {test: dict(found) for test, found in watch.bags.items()}
    for prompt, marks in seen:
        for test, found in marks.items():
            bags[test][prompt] = without_mark(bags[test][prompt], found)
    return replace(watch, bags=bags)


def beyond(watch: Watch, test: str, prompt: str, marks: Marks) -> bool:
    """Whether an answer is farther off than each that its test ranks it among; false without a mark."""
    return marks.get(test, 0) > max(_bag(watch, test, prompt), default=0)


def _confirm(watch: Watch, prompt: str, marks: Marks, prompts: int) -> Watch:
    weights = {test: TESTS[test] for test in marks}
    paid = sum(weights[test] * e_value(_bag(watch, test, prompt), found) for test, found in marks.items())
    doubt = max(watch.doubt, 0.0) + (math.log(paid / sum(weights.values())) if marks else 0.0)
    if doubt >= STILL_AT:
        return replace(watch, doubt=0.0, quiet=0)
    if watch.quiet + 1 >= max(2 * prompts, LEAST_QUIET):
        return replace(watch, changed=False, capitals=_begin(), doubt=0.0, quiet=0)
    return replace(watch, doubt=doubt, quiet=watch.quiet + 1)


def _bag(watch: Watch, test: str, prompt: str) -> Bag:
    return watch.bags.get(test, {}).get(prompt, {})


def _with(bags: Mapping[str, Mapping[str, Bag]], prompt: str, marks: Marks) -> Mapping[str, Mapping[str, Bag]]:
    added = {
        test: {**bags.get(test, {}), prompt: with_mark(bags.get(test, {}).get(prompt, {}), found)}
        for test, found in marks.items()
    }
    return {**bags, **added}
