"""A comparison of two sets of traces, signal by signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from detectors.intervals import Estimate
from monitor.model.scored import Scored
from monitor.model.signal import Kind

Verdict = Literal["changed", "no evidence", "too few traces"]


@dataclass(frozen=True, slots=True)
class Given:
    """What is compared.

    Attributes:
        name: what a person calls it.
        scored: the traces with their signals.
        timed: whether their times are their own.
    """

    name: str
    scored: Scored
    timed: bool


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two sets.

    Attributes:
        name: what a person calls it.
        traces: how many there are.
        tested: how many of them are tested: one of each session, since what hangs together proves less.
        since: the time of the first; None where the traces have no time of their own.
        until: the time of the last.
    """

    name: str
    traces: int
    tested: int
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Bars:
    """Shares of the traces on both sides, bar by bar.

    Attributes:
        labels: of each bar; for numbers the lower end of each bin and the upper end of the last, one more than bars.
        before: shares of those that have a value.
        now: the same of the other side.
    """

    labels: Sequence[str]
    before: Sequence[float]
    now: Sequence[float]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One trace as it is shown."""

    id: str
    time: datetime | None
    prompt: str
    response: str
    value: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A trace that shows the change, and the trace of the other side that was asked the most similar thing."""

    now: Exchange
    before: Exchange | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is said of one signal.

    Attributes:
        signal: its name.
        kind: what its values are.
        unit: of its values, for people.
        n_before: traces with a value.
        n_now: the same of the other side.
        missing_before: share of traces without one.
        missing_now: the same of the other side.
        mean_before: mean of the values, for numbers.
        mean_now: the same of the other side.
        estimates: how large the difference is.
        log_p: natural log of the p-value.
        log_e: natural log of the e-value.
        log_adjusted: natural log of the p-value adjusted for the number of signals (Benjamini and Hochberg).
        tests: the natural log of the p-value of each test.
        verdict: what follows.
        bars: the distributions of both sides.
        told: the change in a few words.
        pairs: traces that show it, for what changed.
    """

    signal: str
    kind: Kind
    unit: str
    n_before: int
    n_now: int
    missing_before: float
    missing_now: float
    mean_before: float | None
    mean_now: float | None
    estimates: Sequence[Estimate]
    log_p: float
    log_e: float
    log_adjusted: float
    tests: Mapping[str, float]
    verdict: Verdict
    bars: Bars
    told: str
    pairs: Sequence[Pair]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides and what differs.

    Attributes:
        before: what is compared with.
        now: what is compared.
        alpha: the share of false ones among the signals that are said to have changed.
        findings: the clearest first.
        sentence: the whole in one.
    """

    before: Side
    now: Side
    alpha: float
    findings: Sequence[Finding]
    sentence: str

    @property
    def changed(self) -> Sequence[Finding]:
        """The signals that changed."""
        return [finding for finding in self.findings if finding.verdict == "changed"]
