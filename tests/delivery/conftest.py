"""A database server of this folder's own: its tests crash it and ask for passwords."""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from monitor.dev import postgres

# A process that dies loses no page of the system's cache, so crashes are as hard without fsync.
SETTINGS = {"fsync": "off"}


@dataclass(frozen=True, slots=True)
class Server:
    """A Postgres that may be taken away."""

    folder: Path
    url: str

    def fresh(self) -> str:
        """URL of a new, empty database."""
        return postgres.create_database(self.url, f"test_{uuid4().hex}")

    def crash(self) -> None:
        postgres.crash(self.folder)

    def start(self) -> None:
        postgres.start(self.folder, settings=SETTINGS)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    # A short path: the server's socket lies in it.
    folder = Path(tempfile.mkdtemp(prefix="driftwarden-"))
    yield Server(folder / "pg", postgres.start(folder / "pg", settings=SETTINGS))
    postgres.stop(folder / "pg")
    shutil.rmtree(folder)


@pytest.fixture(autouse=True, scope="module")
def forgotten_sockets() -> Iterator[None]:
    """Sockets that kafka-python forgets are collected where the warning of them is passed over."""
    yield
    gc.collect()
