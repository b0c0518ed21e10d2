"""The real ``driftwarden`` command in processes of its own, with the settings of one site."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from monitor.kafka.config import KafkaConfig
from tests.delivery.traffic import DIMENSION, MODEL

DRIFTWARDEN = str(Path(sys.executable).parent / "driftwarden")
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Sidecar:
    """One installation; what it writes to standard error is kept in ``folder``."""

    folder: Path
    database_url: str
    bootstrap: str
    topic: str = field(default_factory=lambda: f"sidecar.{uuid4().hex[:12]}")
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def config(self) -> KafkaConfig:
        return KafkaConfig(self.bootstrap, topic=self.topic, dead_letter_topic=f"{self.topic}.dlq")

    @property
    def environ(self) -> dict[str, str]:
        """Our settings, and none of who runs the tests."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("DRIFTWARDEN_") and name != "PYTHONDONTWRITEBYTECODE"
        }
        return {
            **inherited,
            "DRIFTWARDEN_DATABASE__URL": self.database_url,
            "DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap,
            "DRIFTWARDEN_KAFKA__TOPIC": self.topic,
            "DRIFTWARDEN_KAFKA__DEAD_LETTER_TOPIC": f"{self.topic}.dlq",
            "DRIFTWARDEN_KAFKA__GROUP_ID": self.topic,
            "DRIFTWARDEN_KAFKA__CONNECT_TIMEOUT_S": "5",
            "PYTHONFAULTHANDLER": "1",  # a process that hangs is asked by SIGABRT where it stands
            "DRIFTWARDEN_EMBEDDING__SOURCE": "trace",
            "DRIFTWARDEN_EMBEDDING__NAME": MODEL,
            "DRIFTWARDEN_EMBEDDING__DIMENSION": str(DIMENSION),
            **self.more,
        }

    def call(self, *arguments: str, deadline_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [DRIFTWARDEN, *arguments],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=deadline_s,
        )

    @contextmanager
    def running(self, role: str) -> Iterator[Running]:
        """A role in the background; killed at the end where it was not stopped."""
        log = self.folder / f"{role}-{uuid4().hex[:6]}.log"
        with log.open("wb") as errors:
            process = subprocess.Popen([DRIFTWARDEN, role], env=self.environ, cwd=self.folder, stderr=errors)
        try:
            yield Running(process, log)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class Running:
    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text()

    def until(self, fact: Callable[[], bool], what: str, *, deadline_s: float = 60.0) -> None:
        """Waits for a fact while the process lives."""
        end_at = time.monotonic() + deadline_s
        while not fact():
            if self.process.poll() is not None:
                raise AssertionError(f"waiting for {what}, it ended with {self.process.returncode}: {self.said()}")
            if time.monotonic() > end_at:
                self.process.send_signal(signal.SIGABRT)
                self.process.wait(30)
                raise AssertionError(f"no {what} within {deadline_s} s: {self.said()[-6_000:]}")
            time.sleep(POLL_S)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(30)


def caught_up(engine: sa.Engine, topic: str, end: int) -> bool:
    """Every record is decided on, and every reject is in the dead-letter topic."""
    with engine.connect() as connection:
        decided, waiting = connection.exec_driver_sql(
            "SELECT (SELECT coalesce(sum(next), 0) FROM offsets WHERE topic = %s),"
            " (SELECT count(*) FROM rejects WHERE forwarded_at IS NULL)",
            (topic,),
        ).one()
    return bool(decided == end and waiting == 0)
