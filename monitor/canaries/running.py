"""One canary after the other: choose, ask, compare, keep, tell."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from detectors.canary import advance, learn, unlearn
from monitor.canaries.client import Endpoint
from monitor.canaries.comparing import Measure, compared
from monitor.canaries.config import CanaryConfig
from monitor.canaries.difference import Pair, difference
from monitor.canaries.store import CanaryStore
from monitor.canaries.telling import alert_of, told_once
from monitor.errors import Permanent, Transient
from monitor.events import AlertChanged, Away, CanaryAnswered
from monitor.model.alert import Alert, Change
from monitor.model.canary import Answer, Canary, Pin, Place, Told
from monitor.ports import Clock, Emit, Seconds
from monitor.severity import worst

LONGEST_WAIT_S = 60.0
# Failures in a row after which a reference is given up.
TRIES = 8
NO_PROMPTS = "there are no golden prompts: `driftwarden canary add`"


class Client(Protocol):
    def find(self) -> Endpoint: ...
    def ask(self, canary: Canary, endpoint: Endpoint) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How time passes: a prompt every ``every_s``, until ``stopped``."""

    every_s: float
    stopped: Callable[[], bool]
    wait: Callable[[float], object]
    timer: Seconds


@dataclass(slots=True)
class Canaries:
    """Sends golden prompts to one endpoint and holds its answers against those of its reference."""

    store: CanaryStore
    client: Client
    config: CanaryConfig
    measure: Measure
    clock: Clock
    emit: Emit
    new_id: Callable[[], str]
    endpoint: Endpoint | None = None
    target: str | None = None

    def __post_init__(self) -> None:
        self.target = self.config.target or self.config.model

    def begin(self) -> str:
        """The target, once the endpoint says what it serves; it stays the same. Raises Transient."""
        if self.endpoint is None:
            self.endpoint = self.client.find()
        self.target = self.target or self.endpoint.model
        return self.target

    def pin(self) -> None:
        """What the endpoint says from now on is the reference."""
        for change in self.store.pin(self.begin(), self.config.repeats, self.clock()):
            self.tell(change)

    def turn(self) -> Told | None:
        """Sends the prompt whose turn it is; None where there are no prompts. Raises Transient."""
        try:
            self.begin()
            missing = None
        except Transient as error:
            if self.target is None:
                raise
            missing = str(error)
        assert self.target is not None
        canary = self.store.next_up(self.target)
        if canary is None:
            return None
        at = self.clock()
        answer = Answer("away", missing) if self.endpoint is None else self.client.ask(canary, self.endpoint)
        return self.taken(self.target, canary, Told(canary.name, canary.digest, at, answer))

    def taken(self, target: str, canary: Canary, told: Told) -> Told:
        """What came back, compared and kept."""
        answer, at = told.answer, told.at
        if answer.status != "ok":
            if answer.status == "refused":
                self.endpoint = None  # it may have come back as another model
            self.store.record(target, told, None, None)
            self.emit(CanaryAnswered(target, canary.name, answer.status, answer.reason, None))
            return told
        if canary.expected:
            told = replace(told, quality=self.measure(answer.text, canary.expected))
        with self.store.place(target, canary, self.config.repeats, at) as found:
            place = self.store.anew(found, at) if mixes_builds(found, answer.build) else found
            told, pin = self.judged(told, place)
            pin, change = self.change(told, pin, place)
            self.store.record(target, told, pin, change)
        self.emit(CanaryAnswered(target, canary.name, answer.status, answer.reason, pin.watch.log_e))
        if change is not None:
            self.tell(change)
        return told

    def judged(self, told: Told, place: Place) -> tuple[Told, Pin]:
        """The answer with what it is compared by, and the pin after it."""
        pin, digest = replace(place.pin, log_threshold=-math.log(self.config.alpha)), told.digest
        if place.reference is None:
            if pin.watch.changed:  # what is said now is no reference
                return told, pin
            return replace(told, pinned=True), replace(pin, build=pin.build or told.answer.build)
        told = compared(told, place.reference, measure=self.measure, floor=self.config.floor)
        marks = told.marks or {}
        if place.repetitions < pin.repeats and not pin.watch.changed:
            return replace(told, pinned=True), replace(pin, watch=learn(pin.watch, digest, marks))
        watch = advance(pin.watch, digest, marks, alpha=self.config.alpha, prompts=place.prompts)
        return told, replace(pin, watch=watch)

    def change(self, told: Told, pin: Pin, place: Place) -> tuple[Pin, Change | None]:
        """What an answer changes about the alert; what came since a change began no longer counts as noise."""
        before, now, alert = place.pin.watch, pin.watch, place.alert
        if now.changed and not before.changed:
            pairs = self.pairs(told, pin, place, now.since)
            seen = [(pair.now.digest, pair.now.marks or {}) for pair in pairs]
            pin = replace(pin, watch=unlearn(now, seen), since=pairs[0].now.at)
            fired = told_once(self.alert(pin, pairs[-2 * place.prompts :]), told.answer.build, place.drifts)
            return pin, Change("alert.firing", fired, told.at) if alert is None else None
        if before.changed and not now.changed:
            over = None if alert is None else Change("alert.resolved", alert.resolved(told.at), told.at)
            return replace(pin, since=None), over
        if now.changed and now.quiet == 0 and alert is not None:
            found = self.alert(pin, self.pairs(told, pin, place, 2 * place.prompts))
            return pin, renewed(alert, found, told.at)
        return pin, None

    def pairs(self, told: Told, pin: Pin, place: Place, canaries: int) -> list[Pair]:
        """The last so many tested answers, this one the last, beside the reference's; none from before the change."""
        earlier = self.store.since(pin, canaries - 1)
        found = [Pair(now, before) for now, before in earlier if pin.since is None or now.at >= pin.since]
        assert place.reference is not None, "what was tested has a reference"
        return [*found, Pair(told, place.reference)]

    def alert(self, pin: Pin, pairs: Sequence[Pair]) -> Alert:
        found = difference(pairs, pin.watch)
        last = pairs[-1].now
        since = pin.since or last.at
        return alert_of(pin, found, last.answer.build, since=since, at=last.at, new_id=self.new_id())

    def tell(self, change: Change) -> None:
        alert = change.alert
        self.emit(AlertChanged(change.happening, dict(alert.labels), alert.summary, alert.onset))


def mixes_builds(place: Place, build: str | None) -> bool:
    """Whether the answer would make a reference of two builds, of which no prompt has all of its answers yet."""
    return not place.usable and None not in (place.pin.build, build) and place.pin.build != build


def renewed(alert: Alert, found: Alert, at: datetime) -> Change | None:
    """The alert with what more answers say; None where they say the same."""
    if found.signals == list(alert.signals) and found.severity == alert.severity:
        return None
    signals = [*alert.signals, *(signal for signal in found.signals if signal not in alert.signals)]
    evidence = {**alert.evidence, **found.evidence}
    severity = worst([alert.severity, found.severity])
    told = replace(alert, signals=signals, summary=found.summary, evidence=evidence, severity=severity)
    return Change("alert.updated", told, at)


def run(
    canaries: Canaries,
    pace: Pace,
    *,
    count: int | None = None,
    tries: int | None = None,
) -> Counter[str]:
    """Sends ``count`` canaries, or until stopped; how many ended how.

    What is away is waited for, longer from time to time. Raises Transient after ``tries`` failures in a row.
    """
    found: Counter[str] = Counter()
    failures = 0
    while not pace.stopped() and (count is None or found.total() < count):
        began = pace.timer()
        try:
            told = canaries.turn()
            if told is None:
                raise Transient(NO_PROMPTS)
            answer = told.answer
            found[answer.status] += 1
        except Transient as error:
            answer = Answer("away", str(error))
            canaries.emit(Away("canaries", str(error), backoff_s(failures + 1)))
        failures = 0 if answer.status == "ok" else failures + 1
        if tries is not None and failures >= tries:
            raise Transient(answer.reason or answer.status)
        if count is None or found.total() < count:
            spent_s = pace.timer() - began
            pace.wait(max(pace.every_s - spent_s, answer.after_s or 0.0, backoff_s(failures), 0.0))
    return found


def pin(canaries: Canaries, pace: Pace) -> None:
    """Makes what the endpoint says now the reference, all of it at once.

    Raises Transient where it does not answer, Permanent where there is nothing to ask.
    """
    left = canaries.config.repeats * len(canaries.store.canaries())
    if not left:
        raise Permanent(NO_PROMPTS)
    canaries.pin()
    while left > 0 and not pace.stopped():
        left -= run(canaries, replace(pace, every_s=0.0), count=left, tries=TRIES)["ok"]


def backoff_s(failures: int) -> float:
    return min(0.5 * 2.0 ** min(failures, 10), LONGEST_WAIT_S) if failures else 0.0
