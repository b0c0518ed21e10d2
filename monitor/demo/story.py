"""The demo from its first line to its last: traffic, a bad deployment, the page it causes, and questions to ask."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from monitor.demo import findings
from monitor.demo.findings import Alert, Progress
from monitor.demo.publisher import Publisher, publishing
from monitor.demo.receiver import Arrival
from monitor.demo.scenario import exchanges
from monitor.demo.screen import Picture, Screen, clock
from monitor.demo.stage import Stage, staged
from monitor.errors import Transient
from monitor.model.build import build_of
from monitor.model.grid import pane_of
from monitor.model.trace import Trace

CHANGE_AT = 0.6
SPAN = timedelta(hours=4)
PANE = timedelta(minutes=5)
MINUTES = PANE // timedelta(minutes=1)
POLL_S = 0.4
STILL_S = 2.0
STALLED_S = 120.0
ONSET_PANES = 6


@dataclass(frozen=True, slots=True)
class Plan:
    """The scenario: its traces in order of time, how many teach the reference, and when which build went bad."""

    traces: Sequence[Trace]
    reference: int
    good: str
    bad: str
    changed_at: datetime

    @staticmethod
    def of(seed: int, *, traces: int, now: datetime) -> Plan:
        """Four hours that end a minute ago."""
        start = now - SPAN - timedelta(minutes=1)
        found = list(exchanges(seed, traces=traces, start=start, span=SPAN, change_at=CHANGE_AT))
        good, bad = build_of(found[0]), build_of(found[-1])
        changed_at = next(trace.time for trace in found if build_of(trace) == bad)
        return Plan(found, max(traces * 3 // 8, 200), good, bad, changed_at)

    @property
    def last_pane(self) -> datetime:
        return pane_of(self.traces[-1].time, PANE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended, as the database and the receiver have it."""

    progress: Progress
    alerts: Sequence[Alert]
    arrivals: Sequence[Arrival]
    refused: int


def missing(plan: Plan, outcome: Outcome) -> list[str]:
    """What a working sidecar would have shown and this one did not; empty when all is well."""
    told = []
    stored, rejects, wanted = outcome.progress.stored, outcome.progress.rejects, len(plan.traces)
    if (stored, rejects) != (wanted, 0):
        told.append(f"expected {wanted:,} traces stored and none rejected, found {stored:,} and {rejects:,}")
    if len(outcome.alerts) != 1:
        told.append(f"expected one alert, found {len(outcome.alerts)}")
    told += [
        f"expected an onset within {ONSET_PANES} panes of {time_of(plan.changed_at)}, found {time_of(alert.onset)}"
        for alert in outcome.alerts
        if abs(alert.onset - plan.changed_at) > ONSET_PANES * PANE
    ]
    types = [arrival.type for arrival in outcome.arrivals]
    if types != ["alert.firing"]:
        told.append(f"expected one verified message, alert.firing, got {', '.join(types) or 'none'}")
    for arrival in outcome.arrivals[:1]:
        summary = arrival.payload["data"]["summary"]
        if f"build {plan.bad}" not in summary:
            told.append(f"expected the message to name build {plan.bad}, it says: {summary}")
    if outcome.refused:
        told.append(f"expected every message to be signed, {outcome.refused} were not")
    return told


def tell(seed: int, screen: Screen, *, traces: int, keep: bool) -> bool:
    """Plays the demo; true when all went as it should. What was missing is said."""
    began = time.monotonic()
    plan = Plan.of(seed, traces=traces, now=datetime.now(UTC))
    screen.say("Driftwarden watches an assistant whose fp16 build is replaced by an over-quantized int4 one.", "bold")
    screen.say(f"{traces:,} answers of the past four hours; the build changes at {time_of(plan.changed_at)}.")
    with staged(screen.say, reference=plan.reference, pane=PANE) as stage:
        screen.say(f"sidecar: {stage.places.web_url}, its webhook: {stage.receiver.url}")
        outcome = watched(plan, stage, screen)
        screen.settle()
        conclude(plan, stage, outcome, screen)
        problems = missing(plan, outcome)
        for problem in problems:
            screen.say(f"MISSING: {problem}", "bold red")
        if problems:
            screen.say(f"all that the sidecar logged: {stage.save_log()}")
        if keep:
            stage.keep()
            kept(stage, screen)
        broker = stage.broker
    took = f"{time.monotonic() - began:.0f} s; broker: {broker}"
    if problems:
        screen.say(f"not as it should be, in {took}", "bold red")
    else:
        screen.say(f"done in {took}", "bold green")
    return not problems


def watched(plan: Plan, stage: Stage, screen: Screen) -> Outcome:
    """Publishes, and shows what comes of it until the last pane is judged and nothing waits to be delivered."""
    with publishing(plan.traces, stage.sink(), lambda: findings.stored(stage.reader)) as publisher:
        moved_at, last, told = time.monotonic(), Progress(), 0
        while True:
            progress = findings.progress(stage.reader)
            screen.show(Picture(len(plan.traces), publisher.published, progress))
            told = announce(plan, stage, screen, told)
            now = time.monotonic()
            if progress != last:
                moved_at, last = now, progress
            elif complete(plan, publisher, progress) and now - moved_at > STILL_S:
                break
            elif now - moved_at > STALLED_S:
                raise Transient(f"nothing moved for {STALLED_S:g} s: {progress.stored:,} traces stored, "
                                f"{progress.judged:,} judged")  # fmt: skip
            publisher.check()
            stage.sidecar.check()
            time.sleep(POLL_S)
    return Outcome(progress, findings.alerts(stage.reader), tuple(stage.receiver.arrivals), stage.receiver.refused)


def complete(plan: Plan, publisher: Publisher, progress: Progress) -> bool:
    return (
        publisher.published == len(plan.traces) == progress.stored
        and progress.until is not None
        and progress.until >= plan.last_pane
        and not progress.undelivered
    )


def announce(plan: Plan, stage: Stage, screen: Screen, told: int) -> int:
    """Says of each message that came since the last time; returns how many have been told."""
    arrivals = tuple(stage.receiver.arrivals)
    for arrival in arrivals[told:]:
        screen.say(f"webhook: {arrival.type}, id {arrival.id}, signature verified", "bold red")
        screen.say(f"  {arrival.payload['data']['summary']}")
    return len(arrivals)


def conclude(plan: Plan, stage: Stage, outcome: Outcome, screen: Screen) -> None:
    """The alert against the truth, the message, and three questions with their answers."""
    for alert in outcome.alerts:
        seen = findings.traces_of(stage.reader, plan.bad, alert.pane + PANE)
        off = (alert.onset - plan.changed_at) / PANE
        screen.say("")
        screen.say(f"Alert {alert.id} ({alert.status}): {alert.summary}", "bold")
        screen.say(
            f"  onset {time_of(alert.onset)}, true change {time_of(plan.changed_at)}: {off:+.1f} panes of {MINUTES} min"
        )
        screen.say(f"  raised by the pane of {clock(alert.pane)}, after {seen} traces of {plan.bad}")
        screen.say(f"  {len(alert.signals)} signals: {', '.join(alert.signals)}")
    for arrival in outcome.arrivals:
        screen.say(f"Webhook {arrival.id}, type {arrival.type}: signature verified (Standard Webhooks)", "bold")
    for question in findings.questions(plan.bad):
        screen.answer(question.text, question.runnable, list(stage.reader.rows(question.sql, question.parameters)))
    screen.say("")
    screen.say("Go on:", "bold")
    screen.say("  driftwarden dev up, driftwarden run    a Postgres, a Kafka and a sidecar of your own")
    screen.say("  driftwarden import FILE                past prompts and answers of your own")
    screen.say("  driftwarden query --help               the views, and questions by name")
    screen.say("  README.md                              how to connect your service, and all the rest")
    screen.say("")


def kept(stage: Stage, screen: Screen) -> None:
    screen.say("")
    screen.say("All of it goes on running:", "bold")
    screen.say(f"  export DRIFTWARDEN_DATABASE__URL='{stage.places.database_url}'")
    if stage.places.kafka is not None:
        screen.say(f"  export DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS={stage.places.kafka.bootstrap_servers}")
        screen.say(f"  export DRIFTWARDEN_KAFKA__TOPIC={stage.places.kafka.topic}")
    screen.say(f"  {stage.places.web_url}  (log: {stage.sidecar.log})")
    screen.say(f"  end it and remove what it made: kill {stage.janitor.process.pid}")


def time_of(time: datetime) -> str:
    return f"{time:%H:%M:%S} UTC"
