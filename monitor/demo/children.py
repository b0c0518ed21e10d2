"""A child of the demo: a command of ours as a process group of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from monitor.dev.processes import tail
from monitor.errors import Transient

READY_S = 90.0
STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class Child:
    """The process, what people call it, and the file that has its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raises Transient with the end of the log when it is no longer running."""
        if self.process.poll() is not None:
            raise Transient(f"the {self.name} ended with {self.process.returncode}; its last words:\n{tail(self.log)}")

    def wait_ready(self, url: str) -> None:
        """Returns when it says at ``/readyz`` that it has all it needs."""
        until = time.monotonic() + READY_S
        with httpx.Client(timeout=2.0, trust_env=False) as client:
            while True:
                self.check()
                with suppress(httpx.TransportError):
                    if client.get(f"{url}/readyz").status_code == 200:
                        return
                if time.monotonic() > until:
                    raise Transient(
                        f"the {self.name} was not ready in {READY_S:g} s; its last words:\n{tail(self.log)}"
                    )
                time.sleep(0.1)

    def finished(self) -> None:
        """Returns when it has done its work; raises Transient with the end of its log when it failed."""
        if self.process.wait(READY_S) != 0:
            self.check()

    def stop(self) -> None:
        """In good order, else at once; whoever is left of its group after that is killed. Once is enough."""
        if self.process.returncode is not None:
            return
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_S)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def started(name: str, words: Sequence[object], folder: Path, environ: Mapping[str, str]) -> Child:
    """``driftwarden WORDS…``, knowing nothing but these settings: ``folder`` has no file of settings."""
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor", *map(str, words)],
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Child(name, process, log)
