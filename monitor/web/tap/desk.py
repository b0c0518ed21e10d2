"""What the handlers of the tap stand on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from monitor.model.metric import Metric
from monitor.ports import Clock, Emit, Seconds
from monitor.serving import Span
from monitor.tap import Tapped

# A server that refused log-probabilities is asked for them again after this: it may be another version.
REFUSED_S = 3600.0
# Some servers answer to any name and give it back; each would be a series of its own, kept for ever.
MOST_NAMES = 256
OTHERS = "others"


@dataclass(slots=True, eq=False)
class Counts:
    """What was done since the start; ``up`` is what the upstream last said of itself, None before it was asked."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    untraced: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    under_way: int = 0
    up: bool | None = None

    def metrics(self) -> list[Metric]:
        def counter(name: str, about: str, labels: tuple[str, ...], values: Counter[str]) -> Metric:
            samples = [((label,), float(count)) for label, count in sorted(values.items())]
            return Metric(f"driftwarden_tap_{name}", "counter", about, labels, samples)

        asked = [(labels, float(count)) for labels, count in sorted(self.requests.items())]
        return [
            Metric("driftwarden_tap_requests", "counter", "Requests passed on, by what they are and the status of the"
                   " answer; 499 where the client hung up.", ("operation", "status"), asked),
            counter("failures", "Requests without a whole answer of the upstream: unreachable, timeout, broke_off.",
                    ("kind",), self.failures),
            counter("untraced", "Requests for generation that left no trace, by reason.", ("reason",), self.untraced),
            counter("logprobs_refused", "Requests that were sent again without log-probabilities, for the upstream"
                    " refused them.", ("model",), self.refusals),
            Metric("driftwarden_tap_under_way", "gauge", "Requests that are being answered.", (),
                   [((), float(self.under_way))]),
            Metric("driftwarden_tap_upstream_up", "gauge", "Whether the upstream answered when it was last asked for"
                   " its models.", (), [] if self.up is None else [((), float(self.up))]),
        ]  # fmt: skip


@dataclass(slots=True, eq=False)
class Desk:
    """What a request passes.

    Attributes:
        top: alternatives per token that are asked for.
        rate: share of requests that are traced.
        record: takes an exchange and never waits; None where nothing is traced.
        feedback: takes feedback as it came, with the id of its trace; None where it can't go anywhere.
        providers: who serves each model, as the upstream last said.
    """

    top: int
    rate: float
    record: Callable[[Tapped], None] | None
    feedback: Callable[[str, bytes], None] | None
    span: Callable[[str, str, str], Span]
    clock: Clock
    timer: Seconds
    emit: Emit
    counts: Counts = field(default_factory=Counts)
    providers: Mapping[str, str | None] = field(default_factory=dict)
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    _omitting: set[tuple[str, str]] = field(default_factory=set)
    _refusing: dict[str, float] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    def drawn(self) -> bool:
        """Whether the next request is traced."""
        return self.record is not None and (self.rate >= 1 or self.rng.random() < self.rate)

    def provider(self, model: str) -> str | None:
        return self.providers.get(model)

    def omits(self, operation: str, model: str) -> bool:
        """Whether the upstream leaves ``logprobs`` out where it has none; the others give null."""
        return (operation, model) in self._omitting

    def omitted(self, operation: str, model: str) -> None:
        if len(self._omitting) < MOST_NAMES:
            self._omitting.add((operation, model))

    def refuses(self, model: str) -> bool:
        """Whether the upstream lately refused what we add to requests for a model."""
        until = self._refusing.get(model)
        if until is not None and until < self.timer():
            del self._refusing[model]
            return False
        return until is not None

    def refused(self, model: str) -> None:
        """The upstream answered once our additions were left out."""
        self.counts.refusals[self.named(model)] += 1
        if model in self._refusing or len(self._refusing) < MOST_NAMES:
            self._refusing[model] = self.timer() + REFUSED_S

    def named(self, model: str) -> str:
        """The name of a model as figures bear it: those met first, then ``others``."""
        if len(self._names) < MOST_NAMES:
            self._names.add(model[:256])
        return model[:256] if model[:256] in self._names else OTHERS
