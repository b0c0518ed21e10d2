"""The database and the broker of a machine without any: chosen, started, found again and ended together."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from monitor.dev import kafka, postgres
from monitor.dev.processes import NotInstalledError, silent

FOLDER = Path(".driftwarden")
DATABASE_VARIABLE = "DRIFTWARDEN_DATABASE__URL"
KAFKA_VARIABLE = "DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS"

Source = Literal["environment", "local", "none"]


@dataclass(frozen=True, slots=True)
class Services:
    """Addresses to work with.

    Attributes:
        bootstrap_servers: None where there is no broker; traces then come in over HTTP.
        why_no_kafka: the sentence that says what to install, else empty.
    """

    database_url: str
    database_source: Source
    bootstrap_servers: str | None
    kafka_source: Source
    why_no_kafka: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """One service as it is now: `running` is known of the local ones only, and None of those of the environment."""

    name: Literal["postgres", "kafka"]
    source: Source
    address: str | None
    running: bool | None


def up(
    folder: Path = FOLDER, *, environ: Mapping[str, str] = os.environ, report: Callable[[str], None] = silent
) -> Services:
    """Have a database and a broker: those of the environment, else local ones, which keep running.

    A second call finds what the first has started. Without Java or Maven there is no broker, and that is no error.

    Raises:
        NotInstalledError: there is neither a database in the environment nor the wheel of the embedded one.
        ServiceError: a service is there but did not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        database_url, database_source = _database(folder, environ, report=report)
        bootstrap, kafka_source, why = _broker(folder, environ, report=report)
        services = Services(database_url, database_source, bootstrap, kafka_source, why)
        _remember(folder, services)
    return services


def down(folder: Path = FOLDER, *, report: Callable[[str], None] = silent) -> None:
    """End the local services of the folder in good order; their data stays."""
    if not folder.is_dir():
        return
    with _locked(folder):
        for name, stop in (("Kafka", kafka.stop), ("Postgres", postgres.stop)):
            report(f"stopping {name}")
            stop(folder / name.lower())
        (folder / "services.json").unlink(missing_ok=True)


def current(folder: Path = FOLDER) -> Services | None:
    """What `up` gave last, until `down`; None when there is nothing."""
    try:
        return Services(**json.loads((folder / "services.json").read_text()))
    except FileNotFoundError:
        return None


def status(folder: Path = FOLDER) -> tuple[Status, ...]:
    """Each service as it is now; empty after `down`."""
    services = current(folder)
    if services is None:
        return ()
    database_runs = postgres.address(folder / "postgres") if services.database_source == "local" else None
    kafka_runs = kafka.address(folder / "kafka") if services.kafka_source == "local" else None
    return (
        _status("postgres", services.database_source, services.database_url, database_runs),
        _status("kafka", services.kafka_source, services.bootstrap_servers, kafka_runs),
    )


def _status(name: Literal["postgres", "kafka"], source: Source, address: str | None, answers: str | None) -> Status:
    running = {"environment": None, "local": answers == address, "none": False}[source]
    return Status(name=name, source=source, address=address, running=running)


def _database(folder: Path, environ: Mapping[str, str], *, report: Callable[[str], None]) -> tuple[str, Source]:
    if given := environ.get(DATABASE_VARIABLE):
        report(f"Postgres: the one of {DATABASE_VARIABLE}")
        return given, "environment"
    report("starting Postgres")
    return postgres.start(folder / "postgres", report=report), "local"


def _broker(
    folder: Path, environ: Mapping[str, str], *, report: Callable[[str], None]
) -> tuple[str | None, Source, str]:
    if given := environ.get(KAFKA_VARIABLE):
        report(f"Kafka: the one of {KAFKA_VARIABLE}")
        return given, "environment", ""
    report("starting Kafka")
    try:
        return kafka.start(folder / "kafka", report=report), "local", ""
    except NotInstalledError as missing:
        report(f"no Kafka here, traces come in over HTTP. {missing}")
        return None, "none", str(missing)


def _remember(folder: Path, services: Services) -> None:
    # A URL of the environment may hold a password, so the file is the owner's alone from its first byte.
    unfinished = folder / "services.json.new"
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(services), file, indent=2)
    unfinished.rename(folder / "services.json")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
