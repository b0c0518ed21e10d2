"""The one place that knows everyone: settings in, running roles out."""

from __future__ import annotations

import signal
import sys
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import FrameType

import sqlalchemy as sa

from monitor.baseline import Learner
from monitor.codec import alert_message
from monitor.dev import services
from monitor.errors import DriftwardenError, Permanent
from monitor.events import Started, Stopped
from monitor.judging import Judge, run_judge
from monitor.kafka.config import KafkaConfig
from monitor.model.alert import Alert, Change, Message
from monitor.model.baseline import Baseline
from monitor.model.scored import PaneSum, Scored
from monitor.outbox import notify
from monitor.pipeline import Intake, Pipeline, consume
from monitor.ports import Embedder, Emit, Sink
from monitor.scoring import Scorer, add_up, space_of
from monitor.settings import Settings, load_settings
from monitor.storage import partitions
from monitor.storage.baselines import PostgresBaselineStore
from monitor.storage.engine import connect
from monitor.storage.migrate import migrate, require
from monitor.storage.outbox import PostgresOutbox
from monitor.storage.reader import PostgresReader
from monitor.storage.rejects import PostgresRejects
from monitor.storage.traces import PostgresTraceStore
from monitor.storage.watches import PostgresWatchStore
from monitor.telemetry import Telemetry
from monitor.web.ingest import IngestAnswer

MAINTENANCE_S = 3600.0


def clock() -> datetime:
    return datetime.now(UTC)


def settings() -> Settings:
    """The settings; addresses of services that ``driftwarden dev up`` started here fill what is left out."""
    local = services.current()
    if local is None:
        return load_settings()
    defaults = {"database": {"url": local.database_url}}
    if local.bootstrap_servers is not None:
        defaults["kafka"] = {"bootstrap_servers": local.bootstrap_servers}
    return load_settings(**defaults)


class Stop:
    """Set by SIGTERM or SIGINT; a role ends at its next safe point."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def listen(self) -> Stop:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.note)
        return self

    def note(self, _number: int, _frame: FrameType | None) -> None:
        self.event.set()

    def __call__(self) -> bool:
        return self.event.is_set()

    def wait(self, seconds: float) -> None:
        self.event.wait(seconds)


def engine(found: Settings, *, migrated: bool = True) -> sa.Engine:
    """The database; raises with a sentence where it is unset, away, or of another schema version."""
    if found.database.url is None:
        raise Permanent("DRIFTWARDEN_DATABASE__URL is not set (a local database: `driftwarden dev up`)")
    made = connect(found.database.url, pool_size=found.database.pool_size)
    if migrated:
        require(made)
    return made


def kafka(found: Settings) -> KafkaConfig:
    if found.kafka is None:
        raise Permanent("DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS is not set (a local broker: `driftwarden dev up`)")
    return found.kafka


def embedder(found: Settings) -> Embedder | None:
    """The encoder; None where only vectors of the traces are used."""
    wanted = found.embedding
    if wanted.source == "trace":
        return None
    from monitor.inference.encoder import Encoder

    return Encoder.load(model_folder(found), threads=wanted.threads, provider=wanted.provider)


def model_folder(found: Settings) -> Path:
    """The encoder's folder: as set, else MiniLM built into the cache."""
    from monitor.inference.build import cached_minilm

    return found.embedding.folder or cached_minilm()


def space(found: Settings) -> str:
    """The embedding space this installation works in, without loading the model."""
    wanted = found.embedding
    if wanted.source == "trace":
        return space_of(wanted.name, wanted.dimension)
    from monitor.inference.card import read_card

    card = read_card(model_folder(found))
    return space_of(card.name, card.dimension, card.fingerprint(wanted.provider))


def scorer(found: Settings) -> Scorer:
    return Scorer(embedder=embedder(found), name=found.embedding.name, dimension=found.embedding.dimension)


def adding_up(found: Settings) -> Callable[[Scored, Baseline], Sequence[PaneSum]]:
    drift = found.drift
    return partial(add_up, watched=drift.segments, pane=drift.pace().pane, limit=drift.segment_limit)


def pipeline(found: Settings, store: PostgresTraceStore, emit: Emit) -> Pipeline:
    scoring = scorer(found)
    limits = found.ingest.limits(found.database.retention_days)
    made = Pipeline(store, scoring.score, adding_up(found), clock=clock, limits=limits, emit=emit)
    if made.baseline is not None and made.baseline.space != scoring.space:
        raise Permanent(
            f"baseline {made.baseline.version} was made of embeddings of {made.baseline.space}, but this process makes"
            f" those of {scoring.space}: set DRIFTWARDEN_EMBEDDING__… back, or pin a new baseline after"
            " `driftwarden reference clear`"
        )
    return made


def learner(found: Settings, database: sa.Engine, emit: Emit) -> Learner:
    return Learner(
        PostgresBaselineStore(database),
        adding_up(found),
        learning=found.drift.learning(),
        pace=found.drift.pace(),
        clock=clock,
        emit=emit,
        space=space(found),
    )


def sink(found: Settings, topic: str | None = None) -> Sink:
    """Publishes traces to the topic of the settings."""
    from monitor.kafka.sink import KafkaSink

    config = kafka(found)
    return KafkaSink(config, topic or config.topic)


def reader() -> PostgresReader:
    return PostgresReader(engine(settings()))


def watch_store() -> PostgresWatchStore:
    return PostgresWatchStore(engine(settings()))


def baseline_store() -> PostgresBaselineStore:
    return PostgresBaselineStore(engine(settings()))


def reject_store() -> PostgresRejects:
    return PostgresRejects(engine(settings()))


def outbox() -> PostgresOutbox:
    return PostgresOutbox(engine(settings()))


def test_message(endpoint: str, now: datetime) -> Message:
    """A message like a real one that tells of no alert."""
    alert = Alert(
        id="alert_test",
        labels={"kind": "test", "segment": "all"},
        status="firing",
        onset=now,
        fired_at=now,
        summary="a test message: no alert stands behind it",
        signals=(),
        evidence={},
    )
    return Message(
        f"msg_{uuid.uuid4().hex}", endpoint, alert.fingerprint, alert_message(Change("alert.firing", alert, now)), 0
    )


def run_consume(found: Settings, stopped: Stop, telemetry: Telemetry) -> None:
    from monitor.kafka.sink import KafkaDeadLetters
    from monitor.kafka.source import KafkaSource

    config = kafka(found)
    database = engine(found)
    partitions.ensure(database, clock())
    store = PostgresTraceStore(database, idle_after=found.drift.pace().idle_after)
    made = pipeline(found, store, telemetry.emit)
    source = KafkaSource(config, emit=telemetry.emit)
    dead_letters = KafkaDeadLetters(config)
    telemetry.emit(Started("consume", f"{config.topic} at {config.bootstrap_servers}"))
    try:
        consume(source, store, made, dead_letters, stopped)
    finally:
        source.close()
        dead_letters.close()
    telemetry.emit(Stopped("consume"))


def run_judging(found: Settings, stopped: Stop, telemetry: Telemetry) -> None:
    database = engine(found)
    names = [endpoint.name for endpoint in found.webhook.endpoints]
    store = PostgresWatchStore(database, endpoints=names)
    judge = Judge(store, pace=found.drift.pace(), budget=found.drift.budget(), clock=clock, emit=telemetry.emit)
    learning = learner(found, database, telemetry.emit)
    keep = Maintenance(database, found.database.retention_days)
    telemetry.emit(Started("judge", f"at most {found.drift.false_alarms:g} false alarms in 30 days"))

    def between() -> None:
        keep()
        learning.learn()

    run_judge(judge, between, emit=telemetry.emit, stopped=stopped, wait=stopped.wait)
    telemetry.emit(Stopped("judge"))


class Maintenance:
    """Once an hour: partitions for the coming days, and none older than the retention."""

    def __init__(self, database: sa.Engine, retention_days: int) -> None:
        self.database, self.retention_days = database, retention_days
        self.done_at: datetime | None = None

    def __call__(self) -> None:
        now = clock()
        if self.done_at is None or (now - self.done_at).total_seconds() > MAINTENANCE_S:
            partitions.ensure(self.database, now)
            partitions.drop_before(self.database, now - timedelta(days=self.retention_days))
            self.done_at = now


def run_notify(found: Settings, stopped: Stop, telemetry: Telemetry) -> None:
    from monitor.webhook.sender import WebhookSender

    database = engine(found)
    outbox = PostgresOutbox(database)
    sender = WebhookSender(found.webhook)
    names = ", ".join(endpoint.name for endpoint in found.webhook.endpoints) or "no endpoint"
    telemetry.emit(Started("notify", names))
    notify(outbox, sender, clock=clock, emit=telemetry.emit, stopped=stopped, wait=stopped.wait)
    telemetry.emit(Stopped("notify"))


class LazyIntake:
    """Loads the encoder at the first trace that comes in over HTTP, not at the start."""

    def __init__(self, found: Settings, database: sa.Engine, emit: Emit) -> None:
        self.found, self.database, self.emit = found, database, emit
        self.lock = threading.Lock()
        self.intake: Intake | None = None

    def __call__(self, body: bytes, content_type: str) -> IngestAnswer:
        with self.lock:
            if self.intake is None:
                store = PostgresTraceStore(self.database, idle_after=self.found.drift.pace().idle_after)
                self.intake = Intake(store, pipeline(self.found, store, self.emit))
        if "ndjson" in content_type:
            numbered = [(i, line) for i, line in enumerate(body.splitlines(), start=1) if line.strip()]
        else:
            numbered = [(1, body)]
        if not numbered:
            return IngestAnswer(0, 0, [])
        taken = self.intake.take([line for _, line in numbered])
        rejected = [
            (numbered[reject.record.offset - taken.first][0], reject.reason, reject.message)
            for reject in taken.stored.rejects
        ]
        return IngestAnswer(taken.stored.traces, taken.stored.repeats, rejected)


def readiness(database: sa.Engine) -> Mapping[str, str | None]:
    """What the API needs, and what is wrong with it."""
    try:
        require(database)
    except DriftwardenError as error:
        return {"database": str(error)}
    return {"database": None}


def run_serve(found: Settings, stopped: Stop, telemetry: Telemetry) -> None:
    from monitor.web.app import api
    from monitor.web.metrics import database_metrics
    from monitor.web.server import serve

    database = engine(found)
    partitions.ensure(database, clock())
    reader = PostgresReader(database)
    app = api(
        reader,
        ready=partial(readiness, database),
        ingest=LazyIntake(found, database, telemetry.emit) if found.web.ingest else None,
        metrics=lambda: telemetry.exposition(database_metrics(reader, clock())),
        token=found.web.token,
    )
    serve(
        app,
        host=found.web.host,
        port=found.web.port,
        stopped=stopped.event,
        listening=lambda address: telemetry.emit(Started("serve", address)),
    )
    telemetry.emit(Stopped("serve"))


ROLES: Mapping[str, Callable[[Settings, Stop, Telemetry], None]] = {
    "consume": run_consume,
    "judge": run_judging,
    "notify": run_notify,
    "serve": run_serve,
}


def ready_for(role: str) -> None:
    """Raises where a role could not start: the database or the broker is unset, away, or not ours."""
    found = settings()
    engine(found).dispose()
    if role == "consume":
        kafka(found)


def run_role(role: str, stopped: Stop) -> None:
    """Runs one role until it is told to stop."""
    found = settings()
    ROLES[role](found, stopped, Telemetry(role, json_logs=json_logs(found)))


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
