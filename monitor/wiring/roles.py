"""The long-running roles, each from settings to its last event."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from monitor.errors import DriftwardenError, Permanent
from monitor.events import Away, Started, Stopped
from monitor.ingestion import IngestWatch
from monitor.judging import Judge, new_id, run_judge
from monitor.kafka.config import KafkaConfig
from monitor.lagging import Lagging
from monitor.outbox import notify
from monitor.pipeline import consume, listen
from monitor.settings import Settings
from monitor.storage import partitions
from monitor.storage.feedback import PostgresFeedbackStore
from monitor.storage.ingest import PostgresIngestStore
from monitor.storage.migrate import migrate, require
from monitor.storage.outbox import PostgresOutbox
from monitor.storage.reader import PostgresReader
from monitor.storage.watches import PostgresWatchStore
from monitor.telemetry import Telemetry, otlp_exporter
from monitor.wiring.answers import run_answers
from monitor.wiring.maintenance import Maintenance
from monitor.wiring.parts import clock, engine, kafka, learner, pipeline, settings, trace_store
from monitor.wiring.stop import Stop

# With an encoder a trace takes some ten milliseconds: fewer at once keep a batch, and so a redelivery, short.
ENCODED_BATCH = 200
LISTEN_AGAIN_S = 60.0


def run_consume(found: Settings, stopped: Stop, telemetry: Telemetry) -> None:
    from monitor.kafka.sink import KafkaDeadLetters
    from monitor.kafka.source import KafkaSource

    config = kafka(found)
    if found.embedding.source == "encoder":
        config = replace(config, max_poll_records=min(config.max_poll_records, ENCODED_BATCH))
    database = engine(found)
    partitions.ensure(database, clock())
    store = trace_store(found, database)
    made = pipeline(found, store, telemetry.emit)
    source = KafkaSource(config, emit=telemetry.emit)
    dead_letters = KafkaDeadLetters(config)
    # A batch is a forest of small objects that all die together: looking for cycles among them is wasted work.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    listening = threading.Thread(target=run_listening, args=(config, database, stopped, telemetry), name="feedback")
    telemetry.emit(Started("consume", f"{config.topic} at {config.bootstrap_servers}"))
    listening.start()
    try:
        consume(source, store, made, dead_letters, stopped, span=telemetry.batch)
    finally:
        stopped.event.set()
        listening.join()
        source.close()
        dead_letters.close()
    telemetry.emit(Stopped("consume"))


def run_listening(config: KafkaConfig, database: sa.Engine, stopped: Stop, telemetry: Telemetry) -> None:
    """Feedback is read beside the traces: it is little, and a topic that is not there yet stops nothing."""
    from monitor.kafka.source import KafkaSource

    own = replace(
        config, topic=config.feedback_topic, feedback_topic=config.topic, group_id=f"{config.group_id}-feedback"
    )
    store = PostgresFeedbackStore(database)
    while not stopped():
        try:
            with closing(KafkaSource(own, emit=telemetry.emit)) as source:
                listen(source, store, clock=clock, emit=telemetry.emit, stopped=stopped)
        except DriftwardenError as error:
            telemetry.emit(Away(f"topic {config.feedback_topic}", str(error), LISTEN_AGAIN_S))
            stopped.wait(LISTEN_AGAIN_S)


def run_judging(found: Settings, stopped: Stop, telemetry: Telemetry) -> None:
    database = engine(found)
    names = [endpoint.name for endpoint in found.webhook.endpoints]
    pace = found.drift.pace()
    store = PostgresWatchStore(database, endpoints=names)
    judge = Judge(store, pace=pace, budget=found.drift.budget(), clock=clock, emit=telemetry.emit)
    learning = learner(found, database, telemetry.emit)
    drift = found.drift
    lagging = Lagging(
        store, days=drift.lagged_days, learning=drift.learning(), pace=pace, clock=clock, emit=telemetry.emit
    )
    reading = IngestWatch(
        PostgresIngestStore(database, endpoints=names),
        stalled_after=pace.stalled_after,
        clock=clock,
        emit=telemetry.emit,
        new_id=new_id,
    )
    keep = Maintenance(database, store, found.database.retention_days)
    answers = threading.Thread(target=run_answers, args=(found, database, stopped, telemetry.emit), name="answers")
    telemetry.emit(Started("judge", f"at most {found.drift.false_alarms:g} false alarms in 30 days"))

    def between() -> None:
        keep()
        reading.tick()
        learning.learn()
        lagging.tick()

    if found.judge.url is not None:
        answers.start()
    try:
        run_judge(judge, between, emit=telemetry.emit, stopped=stopped, wait=stopped.wait)
    finally:
        stopped.event.set()
        if answers.ident is not None:
            answers.join()
    telemetry.emit(Stopped("judge"))


def run_notify(found: Settings, stopped: Stop, telemetry: Telemetry) -> None:
    from monitor.webhook.sender import WebhookSender

    database = engine(found)
    outbox = PostgresOutbox(database)
    sender = WebhookSender(found.webhook)
    names = ", ".join(endpoint.name for endpoint in found.webhook.endpoints) or "no endpoint"
    telemetry.emit(Started("notify", names))
    notify(outbox, sender, clock=clock, emit=telemetry.emit, stopped=stopped, wait=stopped.wait)
    telemetry.emit(Stopped("notify"))


def readiness(database: sa.Engine) -> Mapping[str, str | None]:
    """What the API needs, and what is wrong with it."""
    try:
        require(database)
    except DriftwardenError as error:
        return {"database": str(error)}
    return {"database": None}


def run_serve(found: Settings, stopped: Stop, telemetry: Telemetry) -> None:
    from monitor.web import feedback
    from monitor.web.app import api
    from monitor.web.metrics import database_metrics
    from monitor.web.server import serve
    from monitor.wiring.intake import LazyIntake

    database = engine(found)
    partitions.ensure(database, clock())
    reader = PostgresReader(database)
    app = api(
        reader,
        ready=partial(readiness, database),
        ingest=LazyIntake(found, database, telemetry.emit) if found.web.ingest else None,
        metrics=lambda: telemetry.exposition(database_metrics(reader, clock(), pace=found.drift.pace())),
        token=found.web.token,
        feedback=feedback.routes(PostgresFeedbackStore(database), clock) if found.web.ingest else None,
    )
    serve(
        app,
        host=found.web.host,
        port=found.web.port,
        stopped=stopped.event,
        listening=lambda address: telemetry.emit(Started("serve", address)),
    )
    telemetry.emit(Stopped("serve"))


def run_guard(found: Settings, stopped: Stop, telemetry: Telemetry) -> None:
    """Checks exchanges in a process of its own: no queue behind a batch."""
    from monitor.web.guard import guard_api
    from monitor.web.server import serve
    from monitor.wiring.guarding import guard

    if not found.guard.policies:
        raise Permanent("DRIFTWARDEN_GUARD__POLICIES is not set (a policy to begin with: `driftwarden guard example`)")
    engine_ = guard(found, found.guard.policies, telemetry.emit)
    app = guard_api(engine_.check, metrics=telemetry.exposition, token=found.guard.token)
    names = ", ".join(engine_.plans)
    # Models and patterns stay: a collection must not walk them while an exchange waits.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    serve(
        app,
        host=found.guard.host,
        port=found.guard.port,
        stopped=stopped.event,
        listening=lambda address: telemetry.emit(Started("guard", f"{address}, policies {names}")),
    )
    engine_.close()
    telemetry.emit(Stopped("guard"))


def run_worker(found: Settings, stopped: Stop, telemetry: Telemetry) -> None:
    """Answers requests with a model that runs here, and publishes their traces."""
    from monitor.wiring import working

    working.run_worker(found, stopped.event, telemetry)


def run_tap(found: Settings, stopped: Stop, telemetry: Telemetry) -> None:
    """Passes requests on to a server that is not ours, and publishes their traces."""
    from monitor.wiring import tapping

    tapping.run_tap(found, stopped.event, telemetry)


def run_canary(found: Settings, stopped: Stop, telemetry: Telemetry) -> None:
    """Sends golden prompts on a schedule to the endpoint of the settings."""
    from monitor.wiring import canaries

    canaries.run_canary(found, stopped, telemetry)


ROLES: Mapping[str, Callable[[Settings, Stop, Telemetry], None]] = {
    "consume": run_consume,
    "judge": run_judging,
    "notify": run_notify,
    "serve": run_serve,
    "guard": run_guard,
    "worker": run_worker,
    "tap": run_tap,
    "canary": run_canary,
}


def ready_for(role: str) -> None:
    """Raises where a role could not start: the database or the broker is unset, away, or not ours."""
    found = settings()
    if role in ("guard", "worker", "tap"):
        return
    engine(found).dispose()
    if role == "consume":
        kafka(found)


def run_role(role: str, stopped: Stop, *, policies: Sequence[Path] = (), **given: Any) -> None:
    """Runs one role until it is told to stop.

    ``policies`` are a guard's, in place of those of the settings; ``given`` are settings of the role's own section.
    """
    found = settings()
    if policies:
        found = found.model_copy(update={"guard": replace(found.guard, policies=tuple(policies))})
    if given:
        found = found.model_copy(update={role: replace(getattr(found, role), **given)})
    telemetry = Telemetry(role, json_logs=json_logs(found), spans=otlp_exporter(os.environ))
    telemetry.include_libraries()
    try:
        ROLES[role](found, stopped, telemetry)
    finally:
        telemetry.close()


def json_logs(found: Settings) -> bool:
    return found.log.format == "json" or (found.log.format == "auto" and not sys.stderr.isatty())


def prepare(found: Settings, report: Callable[[str], None]) -> None:
    """Schema and partitions up to date, topics there: what a fresh site needs before its roles start."""
    database = engine(found, migrated=False)
    before, after = migrate(database)
    if before != after:
        report(f"database schema: {before or 'none'} → {after}")
    partitions.ensure(database, clock())
    database.dispose()
    if found.kafka is not None:
        from monitor.kafka.topics import ensure

        for topic in ensure(found.kafka):
            report(f"topic {topic} created")
