"""An answer that is checked while it is written: text is given out when it was checked, and some more behind it."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import structs

from monitor.guard.policy import Stream
from monitor.model.check import CheckRequest, Decision
from monitor.model.trace import Logprobs
from monitor.ports import Check

STOPS = ("abstain", "deny")


@dataclass(frozen=True, slots=True)
class Released:
    """What may be given out now; ``stopped`` holds the decision that ends the answer, and then nothing more comes."""

    text: str = ""
    stopped: Decision | None = None


@dataclass(slots=True)
class StreamGuard:
    """One answer, piece by piece.

    Every ``window`` new characters what is there so far is checked; after that, all but its last ``holdback``
    characters may go out: a secret or a false claim that begins at the end of a window is seen whole before its
    beginning is given out, unless it is longer than the holdback.

    Attributes:
        request: the exchange, its output still empty.
        decisions: those made so far.
    """

    check: Check
    request: CheckRequest
    stream: Stream
    text: str = ""
    checked: int = 0
    released: int = 0
    decisions: list[Decision] = field(default_factory=list)

    def feed(self, piece: str, logprobs: Logprobs | None = None) -> Released:
        """Takes the next piece; ``logprobs`` are those of the answer so far."""
        self.text += piece
        if self.ended is not None:
            return Released(stopped=self.ended)
        if len(self.text) - self.checked < self.stream.window:
            return Released()
        decision = self.decide(partial=True, logprobs=logprobs)
        return self.give(max(len(self.text) - self.stream.holdback, self.released), decision)

    def finish(self, finish_reason: str | None = "stop", logprobs: Logprobs | None = None) -> Released:
        """Checks the whole answer, by all rules, and gives out the rest."""
        if self.ended is not None:
            return Released(stopped=self.ended)
        self.request = structs.replace(self.request, finish_reason=finish_reason)
        return self.give(len(self.text), self.decide(partial=False, logprobs=logprobs))

    @property
    def ended(self) -> Decision | None:
        """The decision that ended the answer before its end."""
        last = self.decisions[-1] if self.decisions else None
        return last if last is not None and last.verdict in STOPS else None

    def decide(self, *, partial: bool, logprobs: Logprobs | None) -> Decision:
        asked = structs.replace(self.request, output=self.text, partial=partial, logprobs=logprobs)
        self.checked = len(self.text)
        self.decisions.append(self.check(asked))
        return self.decisions[-1]

    def give(self, until: int, decision: Decision) -> Released:
        if decision.verdict in STOPS:
            return Released(stopped=decision)
        text, self.released = self.text[self.released : until], until
        return Released(text)
