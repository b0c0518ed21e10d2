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

from monitor.demo.children import Child, started
from monitor.demo.deployments import Deployment
from monitor.demo.golden import golden_prompts
from monitor.demo.janitor import Janitor
from monitor.demo.knowledge import Knowledge, knowledge
from monitor.demo.places import Pager, Places, broker_of, fresh_database, settings_of
from monitor.demo.receiver import Receiver, receiving
from monitor.demo.retrieval import Library
from monitor.dev import kafka as kafka_service
from monitor.dev import services
from monitor.dev.processes import free_port
from monitor.dev.services import Services
from monitor.inference.build import cached_minilm
from monitor.inference.encoder import Encoder
from monitor.ports import Reader
from monitor.settings import PREFIX
from monitor.storage.engine import connect
from monitor.storage.reader import PostgresReader

Say = Callable[[str], None]


@dataclass(slots=True)
class Stage:
    """A running site; ``broker`` says in words what carries the traces, ``worker`` is who answers now."""

    folder: Path
    places: Places
    broker: str
    settings: Mapping[str, str]
    sidecar: Child
    receiver: Receiver
    reader: Reader
    library: Library
    pages: Knowledge
    janitor: Janitor
    ends: ExitStack
    worker: Child | None = None
    canary: Child | None = None

    def serve(self, deployment: Deployment) -> None:
        """Puts a build into service under the same name and address, as a restart does."""
        if self.worker is not None:
            self.worker.stop()
        self.worker = started("worker", ["worker"], self.folder, {**self.settings, **deployment.settings()})
        self.ends.callback(self.worker.stop)
        self.janitor.told("group", self.worker.process.pid)
        self.worker.wait_ready(self.places.worker_url)

    def send_canaries(self) -> None:
        """Pins what the assistant says to the golden prompts, and goes on asking them, two a second."""
        golden = self.folder / "golden.jsonl"
        golden.write_bytes(golden_prompts(self.pages))
        url = f"{self.places.worker_url}/v1"
        for words in (["add", golden], ["pin", "--url", url]):
            started("canary", ["canary", *words], self.folder, self.settings).finished()
        child = started("canary", ["canary", "run", "--url", url, "--every", "0.5"], self.folder, self.settings)
        self.ends.callback(child.stop)
        self.janitor.told("group", child.process.pid)
        self.canary = child

    def check(self) -> None:
        """Raises what ended too early."""
        for child in (self.sidecar, self.worker, self.canary):
            if child is not None:
                child.check()

    def save_log(self) -> Path:
        """Copies the logs out of the folder that goes away; returns where to."""
        kept = self.folder.with_suffix(".log")
        with kept.open("wb") as out:
            for log in sorted(self.folder.glob("*.log")):
                out.write(f"== {log.name}\n".encode() + log.read_bytes())
        return kept

    def keep(self) -> None:
        """Leaves all running after the block; the janitor ends it when it gets SIGTERM."""
        self.janitor.told("keep")
        self.janitor.left()
        self.ends.pop_all()


@contextmanager
def staged(say: Say, *, reference: int, pane: timedelta, environ: Mapping[str, str] = os.environ) -> Iterator[Stage]:
    """A site of its own: new folder, database, topics and ports; all is gone after the block.

    Where it was left by an error, the logs stay.
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
        found, encoder = prepared(folder, say, environ)
        places = placed(found, janitor, environ)
        broker = told_of(places, found)
        say(f"database: new, on {'a Postgres started here' if found.database_source == 'local' else 'your Postgres'}")
        say(f"broker: {broker}")
        with receiving(secret) as receiver:
            settings = settings_of(
                places, Pager(receiver.url, secret), reference=reference, pane=pane, environ=environ
            )  # fmt: skip
            say("starting the sidecar: driftwarden run")
            sidecar = started("sidecar", ["run"], folder, settings)
            ends.callback(sidecar.stop)
            janitor.told("group", sidecar.process.pid)
            reader = PostgresReader(connect(places.database_url))
            pages = knowledge()
            library = Library.of(pages.passages, encoder)
            stage = Stage(
                folder, places, broker, settings, sidecar, receiver, reader, library, pages, janitor, ends
            )  # fmt: skip
            try:
                sidecar.wait_ready(places.web_url)
                yield stage
            except Exception:
                say(f"all that was logged: {stage.save_log()}")
                raise


def prepared(folder: Path, say: Say, environ: Mapping[str, str]) -> tuple[Services, Encoder]:
    """Services that run and an encoder that is built, side by side."""
    own = environ.get(f"{PREFIX}EMBEDDING__FOLDER")
    with ThreadPoolExecutor(max_workers=1) as pool:
        built = pool.submit(lambda: Path(own) if own else cached_minilm(report=lambda line: say(f"encoder: {line}")))
        found = services.up(folder, environ=environ, report=say)
        return found, Encoder.load(built.result())


def placed(found: Services, janitor: Janitor, environ: Mapping[str, str]) -> Places:
    """A new database and new names of topics; those on a server of the environment are taken away at the end."""
    name = f"driftwarden_demo_{secrets.token_hex(4)}"
    database_url = fresh_database(found.database_url, name)
    if found.database_source == "environment":
        janitor.told("database", database_url)
    kafka = broker_of(found, name.replace("_", "."), environ)
    if found.kafka_source == "environment" and kafka is not None:
        janitor.told("topic", kafka.topic)
    return Places(database_url, kafka, free_port(), free_port())


def told_of(places: Places, found: Services) -> str:
    if places.kafka is None:
        return f"none, traces go to {places.web_url}/v1/traces"
    ours = f"Apache Kafka {kafka_service.VERSION}, started here" if found.kafka_source == "local" else "your Kafka"
    return f"{ours}, {places.kafka.bootstrap_servers}"
