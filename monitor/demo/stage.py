"""Where the demo plays: services, a sidecar with a pager, and the end of all of them."""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from monitor.demo.janitor import Janitor
from monitor.demo.places import Pager, Places, broker_of, fresh_database, settings_of
from monitor.demo.receiver import Receiver, receiving
from monitor.demo.sidecar import Sidecar, started
from monitor.dev import kafka as kafka_service
from monitor.dev import services
from monitor.dev.processes import free_port
from monitor.dev.services import Services
from monitor.importing.http import HttpSink
from monitor.inference.build import cached_minilm
from monitor.kafka.sink import KafkaSink
from monitor.ports import Reader, Sink
from monitor.settings import PREFIX
from monitor.storage.engine import connect
from monitor.storage.reader import PostgresReader

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """A running site; ``broker`` says in words what carries the traces."""

    places: Places
    broker: str
    sidecar: Sidecar
    receiver: Receiver
    reader: Reader
    janitor: Janitor
    ends: ExitStack

    def sink(self) -> Sink:
        """Where traces are published."""
        if self.places.kafka is not None:
            return KafkaSink(self.places.kafka, self.places.kafka.topic)
        return HttpSink(self.places.web_url)

    def save_log(self) -> Path:
        """Moves the sidecar's log out of the folder that goes away; returns where to."""
        kept = self.sidecar.log.parent.with_suffix(".log")
        return self.sidecar.log.rename(kept)

    def keep(self) -> None:
        """Leaves all running after the block; the janitor ends it when it gets SIGTERM."""
        self.janitor.told("keep")
        self.janitor.left()
        self.ends.pop_all()


@contextmanager
def staged(say: Say, *, reference: int, pane: timedelta, environ: Mapping[str, str] = os.environ) -> Iterator[Stage]:
    """A site of its own: new folder, database, topics and ports; all is gone after the block.

    Where it was left by an error, the log of the sidecar stays.
    """
    folder = Path(tempfile.mkdtemp(prefix="driftwarden-demo-"))
    folder.chmod(0o711)  # Postgres, which may run as another user, has to pass
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    with ExitStack() as ends:
        janitor = Janitor.hired()
        ends.callback(janitor.dismissed)
        janitor.told("folder", folder)
        # Our own children are best ended by us: to others they are zombies till we ask for them.
        ends.callback(services.down, folder)
        found = prepared(folder, say, environ)
        places = placed(found, janitor, environ)
        broker = told_of(places, found)
        say(f"database: new, on {'a Postgres started here' if found.database_source == 'local' else 'your Postgres'}")
        say(f"broker: {broker}")
        with receiving(secret) as receiver:
            settings = settings_of(
                places, Pager(receiver.url, secret), reference=reference, pane=pane, environ=environ
            )  # fmt: skip
            say("starting the sidecar: driftwarden run")
            sidecar = started(folder, folder / "sidecar.log", settings)
            ends.callback(sidecar.stop)
            janitor.told("group", sidecar.process.pid)
            reader = PostgresReader(connect(places.database_url))
            stage = Stage(places, broker, sidecar, receiver, reader, janitor, ends)
            try:
                sidecar.wait_ready(places.web_url)
                yield stage
            except Exception:
                say(f"all that the sidecar logged: {stage.save_log()}")
                raise


def prepared(folder: Path, say: Say, environ: Mapping[str, str]) -> Services:
    """Services that run and a model that is built, side by side."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        model = (
            None
            if f"{PREFIX}EMBEDDING__FOLDER" in environ
            else pool.submit(cached_minilm, report=lambda line: say(f"encoder: {line}"))
        )
        found = services.up(folder, environ=environ, report=say)
        if model is not None:
            model.result()
    return found


def placed(found: Services, janitor: Janitor, environ: Mapping[str, str]) -> Places:
    """A new database and new names of topics; those on a server of the environment are taken away at the end."""
    name = f"driftwarden_demo_{secrets.token_hex(4)}"
    database_url = fresh_database(found.database_url, name)
    if found.database_source == "environment":
        janitor.told("database", database_url)
    kafka = broker_of(found, name.replace("_", "."), environ)
    if found.kafka_source == "environment" and kafka is not None:
        janitor.told("topic", kafka.topic)
    return Places(database_url, kafka, free_port())


def told_of(places: Places, found: Services) -> str:
    if places.kafka is None:
        return f"none, traces go to {places.web_url}/v1/traces"
    ours = f"Apache Kafka {kafka_service.VERSION}, started here" if found.kafka_source == "local" else "your Kafka"
    return f"{ours}, {places.kafka.bootstrap_servers}"
