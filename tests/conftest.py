"""Fixtures of the whole suite: a real Postgres, a real Kafka, and the real data where it is there.

A service starts when the first test asks for it and ends with the session. Addresses in the environment
(`DRIFTWARDEN_DATABASE__URL`, `DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS`) are not used: tests create and kill.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings

from monitor.dev import kafka as kafka_service
from monitor.dev import postgres as postgres_service
from monitor.dev.processes import ServiceError
from monitor.storage.engine import connect
from monitor.storage.migrate import migrate

# A machine that is busy elsewhere makes no example wrong.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors, but for two of kafka-python 3.0 that no caller can avoid."""
    for known in (
        "(read|open)_text is deprecated:DeprecationWarning",  # it reads its schemas so on import
        r"unclosed <socket.socket .*laddr=\('0.0.0.0', \d+\)>:ResourceWarning",  # it forgets a refused connection
    ):
        config.addinivalue_line("filterwarnings", f"ignore:{known}")


@dataclass(frozen=True, slots=True)
class Broker:
    """The session's Kafka: one broker with its data in `folder`."""

    folder: Path
    bootstrap: str

    def kill(self) -> None:
        """SIGKILL, as a crash; follow with `restart`."""
        kafka_service.kill(self.folder)

    def restart(self) -> None:
        """Start again where it is down, on the same port with the same data."""
        kafka_service.start(self.folder)


@pytest.fixture(scope="session")
def service_folder() -> Iterator[Path]:
    """A short path outside pytest's own folders, which pytest closes to the server's user at each start."""
    folder = Path(tempfile.mkdtemp(prefix="driftwarden-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_url(service_folder: Path) -> Iterator[str]:
    """A server for the session. Its fsync is off: these databases need not outlive the machine."""
    folder = service_folder / "postgres"
    yield postgres_service.start(folder, settings={"fsync": "off"})
    postgres_service.stop(folder)


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """A fresh, empty database, dropped after the test whatever is still connected."""
    url = postgres_service.create_database(postgres_url, f"test_{uuid4().hex}")
    yield url
    postgres_service.drop_database(url)


@pytest.fixture(scope="session")
def migrated_url(postgres_url: str) -> Iterator[str]:
    """One database with our tables for the session; a test that asks for it leaves them empty."""
    url = postgres_service.create_database(postgres_url, f"test_{uuid4().hex}")
    engine = connect(url)
    migrate(engine)
    engine.dispose()
    yield url
    postgres_service.drop_database(url)


@pytest.fixture(scope="session")
def kafka(service_folder: Path) -> Iterator[Broker]:
    """A real broker; where Java or Maven is missing the test fails with what to install, it is never skipped."""
    folder = service_folder / "kafka"
    try:
        yield Broker(folder=folder, bootstrap=kafka_service.start(folder))
    except ServiceError as missing:
        pytest.fail(str(missing), pytrace=False)
    finally:
        kafka_service.stop(folder)


@pytest.fixture
def topic() -> Callable[[str], str]:
    """Names that no other test has: `topic("traces")`."""
    return lambda stem: f"{stem}.{uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The labelled data, which is not part of the repository: `DRIFTWARDEN_SHARED_DATA`, else a sibling folder."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("DRIFTWARDEN_SHARED_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"no labelled data in {folder}; set DRIFTWARDEN_SHARED_DATA")
    return folder
