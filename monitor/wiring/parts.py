"""The parts of an installation, made from its settings; heavy ones are imported by the role that runs with them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import sqlalchemy as sa

from detectors.groundedness import Model
from monitor.accepting import Accepter
from monitor.baseline import Learner
from monitor.codec import alert_message
from monitor.dev import services
from monitor.errors import Permanent
from monitor.fitting import require_space
from monitor.kafka.config import KafkaConfig
from monitor.loading import load_settings
from monitor.model.alert import Alert, Change, Message
from monitor.model.baseline import Baseline
from monitor.model.scored import PaneSum, Scored
from monitor.pipeline import Pipeline
from monitor.ports import Embedder, Emit, Sink
from monitor.scoring import Adder, Scorer, space_of
from monitor.scoring.checked import Checking
from monitor.scoring.embedded import Nearness
from monitor.settings import Settings
from monitor.storage import alerts
from monitor.storage.baselines import PostgresBaselineStore
from monitor.storage.engine import connect
from monitor.storage.feedback import PostgresFeedbackStore
from monitor.storage.migrate import require
from monitor.storage.outbox import PostgresOutbox
from monitor.storage.reader import PostgresReader
from monitor.storage.rejects import PostgresRejects
from monitor.storage.traces import PostgresTraceStore
from monitor.storage.watches import PostgresWatchStore


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


def grounder(found: Settings) -> Model | None:
    """The groundedness model; None where it is switched off."""
    wanted = found.grounding
    if wanted.source == "off":
        return None
    from monitor.inference.grounding import load_grounding, shipped_grounding

    if wanted.source == "shipped":
        return shipped_grounding()
    if wanted.file is None:
        raise Permanent("DRIFTWARDEN_GROUNDING__SOURCE is `file`, and DRIFTWARDEN_GROUNDING__FILE is not set")
    return load_grounding(wanted.file)


def checks(found: Settings, encoder: Embedder | None) -> dict[str, Checking]:
    """What is measured on a sample of the answers, by the name of the score."""
    wanted = found.grounding
    made: dict[str, Checking] = {}
    if encoder is not None and wanted.embedding_share > 0:
        near = Nearness(encoder)
        made["grounding.embedding"] = Checking(near, wanted.embedding_share, wanted.embedding_deadline_s, perf_counter)
    if wanted.model is not None:
        from monitor.inference.checker import Checker

        checker = Checker.load(wanted.model, threads=found.embedding.threads, provider=found.embedding.provider)
        made["grounding.model"] = Checking(checker.score, wanted.model_share, wanted.model_deadline_s, perf_counter)
    return made


def scorer(found: Settings, *, vectors: bool = True) -> Scorer:
    """The scorer; without vectors no encoder is loaded, and only those that traces carry are there."""
    wanted = found.embedding
    encoder = embedder(found) if vectors else None
    return Scorer(
        embedder=encoder,
        name=wanted.name,
        dimension=wanted.dimension,
        timer=perf_counter,
        grounder=grounder(found),
        checks=checks(found, encoder),
    )


def adder(found: Settings, emit: Emit) -> Adder:
    drift = found.drift
    return Adder(watched=drift.segments, pane=drift.pace().pane, limit=drift.segment_limit, emit=emit)


def trace_store(found: Settings, database: sa.Engine) -> PostgresTraceStore:
    return PostgresTraceStore(database, idle_after=found.drift.pace().idle_after)


def pipeline(found: Settings, store: PostgresTraceStore, emit: Emit) -> Pipeline:
    scoring = scorer(found)
    limits = found.ingest.limits(found.database.retention_days)
    adding = adder(found, emit)

    def add_alike(scored: Scored, baseline: Baseline) -> Sequence[PaneSum]:
        """A baseline that comes while we run may be of other embeddings too."""
        require_space(baseline, scoring.space)
        return adding(scored, baseline)

    made = Pipeline(store, scoring.score, add_alike, clock=clock, limits=limits, emit=emit)
    if made.baseline is not None:
        require_space(made.baseline, scoring.space)
    return made


def learner(found: Settings, database: sa.Engine, emit: Emit) -> Learner:
    return Learner(
        PostgresBaselineStore(database),
        adder(found, emit),
        learning=found.drift.learning(),
        pace=found.drift.pace(),
        clock=clock,
        emit=emit,
        space=space(found),
    )


def accepter(found: Settings, database: sa.Engine, emit: Emit) -> Accepter:
    names = [endpoint.name for endpoint in found.webhook.endpoints]
    return Accepter(
        PostgresBaselineStore(database, endpoints=names),
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


def feedback_store() -> PostgresFeedbackStore:
    return PostgresFeedbackStore(engine(settings()))


def reject_store() -> PostgresRejects:
    return PostgresRejects(engine(settings()))


def acknowledge(alert: str) -> bool:
    """Marks a firing alert as seen by someone; False where no firing alert has this id."""
    return alerts.acknowledge(engine(settings()), alert, clock())


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
