"""The demo from its first line to its last: an assistant at work, what befalls it, and what the sidecar says."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from monitor.demo import findings
from monitor.demo.acts import Act, Seen, acts, caught
from monitor.demo.costs import costs
from monitor.demo.crowd import OUTCOMES, Crowd, Outcome, Questions, asking_crowd
from monitor.demo.deployments import GOOD, NAME, four_bits
from monitor.demo.findings import Alert
from monitor.demo.receiver import Arrival
from monitor.demo.screen import Picture, Screen
from monitor.demo.stage import Stage, staged
from monitor.ports import Reader

PANE = timedelta(seconds=1)
POLL_S = 0.3
DELIVERED_S = 10.0


@dataclass(frozen=True, slots=True)
class Played:
    """How an act went: how many questions it took, what came of them, and after how much each alert came.

    ``pages`` counts the messages of alerts that fire, by kind, as they arrived.
    """

    act: Act
    asked: int
    outcomes: Counter[Outcome]
    seen: Seen
    pages: Counter[str]
    delays: Sequence[str]

    @property
    def well(self) -> bool:
        return self.act.reached(self.seen)


def tell(seed: int, screen: Screen, *, reference: int, keep: bool) -> bool:
    """Plays the demo; true when all went as it should. What was missing is said."""
    began = time.monotonic()
    screen.say(
        "Driftwarden watches an assistant that answers questions from help pages: a small model, really run.", "bold"
    )
    with staged(screen.say, reference=reference, pane=PANE) as stage:
        screen.say(
            f"assistant: {stage.places.worker_url}/v1; sidecar: {stage.places.web_url}; webhook: {stage.receiver.url}"
        )
        stage.serve(GOOD)
        stage.send_canaries()
        questions = Questions(stage.pages, np.random.default_rng(seed))
        crowd = Crowd(
            f"{stage.places.worker_url}/v1", NAME, questions, stage.library, lambda: findings.stored(stage.reader)
        )
        bad = four_bits(stage.folder)
        with asking_crowd(crowd):
            story = [played(act, stage, crowd, screen) for act in acts(bad)]
        screen.settle()
        problems = missing(story, tuple(stage.receiver.arrivals), stage.receiver.refused)
        conclude(story, stage, screen)
        for problem in problems:
            screen.say(f"MISSING: {problem}", "bold red")
        if problems:
            screen.say(f"all that was logged: {stage.save_log()}")
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


def played(act: Act, stage: Stage, crowd: Crowd, screen: Screen) -> Played:
    """Begins an act and watches until what it is about was found."""
    screen.say("")
    screen.say(act.title, "bold cyan")
    first_told = told = len(stage.receiver.arrivals)
    crowd.turned(act.topic)
    if act.deployment is not None:
        stage.serve(act.deployment)
    since, (first, before) = datetime.now(UTC), crowd.counted()
    noted: set[str] = set()
    while True:
        seen = Seen(since, findings.progress(stage.reader))
        asked, outcomes = crowd.counted()
        screen.show(Picture(act.title, asked, outcomes - before, seen.progress))
        told = announce(stage, screen, told)
        note(seen, screen, noted)
        if (act.reached(seen) and asked - first >= act.least) or asked - first >= act.most:
            break
        crowd.check()
        stage.check()
        time.sleep(POLL_S)
    told = told_of(stage, screen, told)
    pages = fired(stage.receiver.arrivals[first_told:told])
    delays = [delay(alert, since, stage.reader) for alert in seen.fresh] if act.deployment is not None else []
    found = Played(act, asked - first, outcomes - before, seen, pages, delays)
    screen.say(f"  {found.asked} questions: {shares(found.outcomes)}")
    return found


def delay(alert: Alert, since: datetime, reader: Reader) -> str:
    """After how much an alert came, in words."""
    if alert.kind == "canary":
        return f"{findings.canaries_between(reader, since, alert.fired_at)} canaries"
    return f"{findings.traces_between(reader, since, alert.fired_at)} answers"


def told_of(stage: Stage, screen: Screen, told: int) -> int:
    """Waits until nothing is left to be delivered, and says what came; returns how many have been told."""
    until = time.monotonic() + DELIVERED_S
    while findings.progress(stage.reader).undelivered and time.monotonic() < until:
        time.sleep(POLL_S)
    return announce(stage, screen, told)


def fired(arrivals: Sequence[Arrival]) -> Counter[str]:
    """Messages of alerts that fire, by kind."""
    return Counter(each.payload["data"]["labels"]["kind"] for each in arrivals if each.type == "alert.firing")


def announce(stage: Stage, screen: Screen, told: int) -> int:
    """Says of each message that came since the last time; returns how many have been told."""
    arrivals = tuple(stage.receiver.arrivals)
    for arrival in arrivals[told:]:
        data = arrival.payload["data"]
        style = "bold red" if arrival.type == "alert.firing" else "bold green"
        screen.say(
            f"  webhook {arrival.type}, kind {data['labels']['kind']}, signature verified: {data['summary']}", style
        )
    return len(arrivals)


def note(seen: Seen, screen: Screen, noted: set[str]) -> None:
    """Says of each alert that pages nobody, once."""
    told = any(alert.paged for alert in seen.fresh)
    for alert in seen.fresh:
        if not alert.paged and alert.id not in noted:
            screen.say(f"  noted, {'paged for already' if told else 'nobody paged'}: {alert.summary}", "yellow")
            noted.add(alert.id)


def missing(story: Sequence[Played], arrivals: Sequence[Arrival], refused: int) -> list[str]:
    """What a working sidecar would have shown and this one did not; empty when all is well."""
    told = [
        f"{each.act.name}: expected {each.act.expected} within {each.act.most} questions"
        for each in story
        if not each.well
    ]
    for each in story:
        most = 1 if each.act.reached is caught else 0
        if each.pages.total() > most:
            told.append(f"{each.act.name}: expected {most or 'no'} page, got {each.pages.total()}")
    ids = Counter(arrival.id for arrival in arrivals)
    told += [f"message {name} came {count} times" for name, count in ids.items() if count > 1]
    if refused:
        told.append(f"expected every message to be signed, {refused} were not")
    rejects = story[-1].seen.progress.rejects
    if rejects:
        told.append(f"expected no trace to be rejected, {rejects} were")
    return told


def conclude(story: Sequence[Played], stage: Stage, screen: Screen) -> None:
    """The acts side by side, what it all cost, and questions with their answers."""
    screen.table("Act by act", [row(each) for each in story])
    screen.table("What it costs", costs(stage, story[-1].seen.progress.stored))
    for question in findings.QUESTIONS:
        screen.answer(question.text, question.sql, list(stage.reader.rows(question.sql, {})))
    screen.say("")
    screen.say("Go on:", "bold")
    screen.say("  driftwarden dev up, driftwarden run    a Postgres, a Kafka and a sidecar of your own")
    screen.say(
        "  driftwarden worker MODEL, tap          your model served, or your server's answers passed on, as traces"
    )
    screen.say("  driftwarden import FILE                past prompts and answers of your own")
    screen.say("  driftwarden query --help               the views, and questions by name")
    screen.say("  README.md                              how to connect your service, and all the rest")
    screen.say("")


def row(each: Played) -> dict[str, object]:
    return {
        "act": each.act.name,
        "questions": each.asked,
        **{name: f"{percent(each.outcomes, name)} %" for name in OUTCOMES},
        "paged by": ", ".join(sorted(each.pages)) or "nobody",
        "found after": ", ".join(each.delays) or "–",
    }


def percent(outcomes: Counter[Outcome], name: Outcome) -> int:
    return round(100 * outcomes[name] / max(outcomes.total(), 1))


def shares(outcomes: Counter[Outcome]) -> str:
    return (
        f'{percent(outcomes, "right")} % right, {percent(outcomes, "honest")} % rightly "I don\'t know", '
        f"{percent(outcomes, 'wrong')} % wrong, {percent(outcomes, 'stopped')} % stopped by the guard"
    )


def kept(stage: Stage, screen: Screen) -> None:
    screen.say("")
    screen.say("All of it goes on running:", "bold")
    screen.say(f"  export DRIFTWARDEN_DATABASE__URL='{stage.places.database_url}'")
    if stage.places.kafka is not None:
        screen.say(f"  export DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS={stage.places.kafka.bootstrap_servers}")
        screen.say(f"  export DRIFTWARDEN_KAFKA__TOPIC={stage.places.kafka.topic}")
    screen.say(f"  {stage.places.web_url}, {stage.places.worker_url}/v1  (logs: {stage.folder}/*.log)")
    screen.say(f"  end it and remove what it made: kill {stage.janitor.process.pid}")
