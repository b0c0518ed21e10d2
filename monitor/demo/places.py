"""Where a demo puts its things: a database and topics that nobody else uses, and the settings that point there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta

import msgspec

from monitor.dev.services import Services
from monitor.errors import Permanent
from monitor.kafka.config import KafkaConfig
from monitor.kafka.topics import remove
from monitor.settings import PREFIX
from monitor.storage.engine import connect, guarded

ENDPOINT = "pager"
# Settings of the encoder hold for the demo too; all others are its own, and no file's.
KEPT = ("DRIFTWARDEN_CACHE", "DRIFTWARDEN_EMBEDDING__")
# A machine that runs everything at once says nothing by its latencies.
UNWATCHED = ("latency", "time_to_first_token")


@dataclass(frozen=True, slots=True)
class Pager:
    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses of one run; without a broker traces go to the sidecar's own port."""

    database_url: str
    kafka: KafkaConfig | None
    web_port: int
    worker_port: int

    @property
    def worker_url(self) -> str:
        return f"http://127.0.0.1:{self.worker_port}"

    @property
    def web_url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"


def fresh_database(server_url: str, name: str) -> str:
    """URL of a new, empty database on the server of ``server_url``."""
    return statement(server_url, f'CREATE DATABASE "{name}"', name)


def drop_database(url: str) -> None:
    """Removes a database, cutting its connections."""
    name = connect(url).url.database
    statement(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', "postgres", inside="postgres")


def statement(url: str, sql: str, name: str, *, inside: str | None = None) -> str:
    """Runs a statement that no transaction may hold; returns the URL of the database ``name`` on the same server."""
    engine = connect(url)
    if inside is not None:
        engine = connect(engine.url.set(database=inside).render_as_string(hide_password=False))
    try:
        with guarded(engine), engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(sql)
    finally:
        engine.dispose()
    return engine.url.set(database=name).render_as_string(hide_password=False)


def broker_of(services: Services, topic: str, environ: Mapping[str, str]) -> KafkaConfig | None:
    """The broker with topics of the run's own; how to log in to that of the environment stands there too."""
    if services.bootstrap_servers is None:
        return None
    given = environ if services.kafka_source == "environment" else {}
    return configured(services.bootstrap_servers, topic, given)


def configured(bootstrap_servers: str, topic: str, environ: Mapping[str, str]) -> KafkaConfig:
    named = {field.name: environ.get(f"{PREFIX}KAFKA__{field.name.upper()}") for field in fields(KafkaConfig)}
    own = {
        "bootstrap_servers": bootstrap_servers,
        "topic": topic,
        "dead_letter_topic": f"{topic}.dlq",
        "feedback_topic": f"{topic}.feedback",  # a run's topics are removed with it
        "group_id": topic,
    }
    try:
        return msgspec.convert(
            {name: value for name, value in (named | own).items() if value is not None}, KafkaConfig, strict=False
        )
    except (msgspec.ValidationError, ValueError) as error:
        raise Permanent(f"{PREFIX}KAFKA__…: {error}") from error


def remove_topic(topic: str, environ: Mapping[str, str]) -> None:
    """Removes a run's topics from the broker of the environment."""
    remove(configured(environ[f"{PREFIX}KAFKA__BOOTSTRAP_SERVERS"], topic, environ))


def settings_of(
    places: Places, pager: Pager, *, reference: int, pane: timedelta, environ: Mapping[str, str]
) -> dict[str, str]:
    """The environment of every process of the run: today's, without settings of other sidecars."""
    others = {name: value for name, value in environ.items() if not name.startswith(PREFIX) or name.startswith(KEPT)}
    endpoint = {"name": ENDPOINT, "url": pager.url, "secret": pager.secret, "allow": ["127.0.0.0/8"]}
    ours = {
        "DATABASE__URL": places.database_url,
        "DRIFT__REFERENCE_TRACES": str(reference),
        "DRIFT__PANE_S": f"{pane.total_seconds():g}",
        "DRIFT__LATENESS_S": "1",
        "DRIFT__IDLE_AFTER_S": "3",
        "DRIFT__SEGMENTS": "[[]]",
        "DRIFT__REPLAY_PANES": "100",
        "DRIFT__UNWATCHED": msgspec.json.encode(UNWATCHED).decode(),
        "WEBHOOK__ENDPOINTS": msgspec.json.encode([endpoint]).decode(),
        "WEB__PORT": str(places.web_port),
        "WORKER__PORT": str(places.worker_port),
        "WORKER__TRACE_DELAY_S": "0.1",
        "LOG__FORMAT": "text",
    }
    if places.kafka is None:
        ours["WORKER__SIDECAR"] = places.web_url
    else:
        for field in fields(KafkaConfig):
            value = getattr(places.kafka, field.name)
            if value is not None:
                ours[f"KAFKA__{field.name.upper()}"] = str(value)
    return others | {f"{PREFIX}{name}": value for name, value in ours.items()}
