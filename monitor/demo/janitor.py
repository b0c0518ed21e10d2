"""Ends what a demo has started, also when the demo itself was killed.

``python -m monitor.demo.janitor`` reads chores from its standard input and does them when that ends: a pipe ends with
the process that holds its other side, whatever that died of.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from monitor.dev import services
from monitor.dev.processes import wait_until

Kind = Literal["folder", "database", "topic", "group", "keep"]
GRACE_S = 20.0


@dataclass(frozen=True, slots=True)
class Janitor:
    """The janitor's process as the demo sees it."""

    process: subprocess.Popen[str]

    @staticmethod
    def hired() -> Janitor:
        """In a session of its own, so that Ctrl-C does not end it before its work is done."""
        command = [sys.executable, "-m", "monitor.demo.janitor"]
        # Who reads our output through a pipe must not wait for a janitor that was told to stay.
        quiet = subprocess.DEVNULL
        return Janitor(
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, text=True, start_new_session=True
            )
        )

    def told(self, kind: Kind, value: object = "") -> None:
        """Note a chore; ``keep`` puts all off until the janitor gets SIGTERM."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{kind} {value}\n")
        self.process.stdin.flush()

    def left(self) -> None:
        """Go: the janitor begins, unless it was told to keep all."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def dismissed(self) -> None:
        """Return when all chores are done."""
        self.left()
        self.process.wait()


def main() -> None:
    # Blocked at once: a signal that comes early waits until it is asked for.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    chores = [line.rstrip("\n").partition(" ") for line in sys.stdin]
    if any(kind == "keep" for kind, _, _ in chores):
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    work((kind, value) for kind, _, value in chores)


def work(chores: Iterable[tuple[str, str]]) -> None:
    """Does all chores, whatever fails: what was made last goes first, as it stands on the rest."""
    with ExitStack() as stack:
        for kind, value in chores:
            stack.callback(do, kind, value)


def do(kind: str, value: str) -> None:
    match kind:
        case "group":
            end_group(int(value))
        case "database":
            from monitor.demo.places import drop_database  # noqa: PLC0415  heavy, and seldom needed

            drop_database(value)
        case "topic":
            from monitor.demo.places import remove_topic  # noqa: PLC0415

            remove_topic(value, os.environ)
        case "folder":
            services.down(Path(value))
            shutil.rmtree(value, ignore_errors=True)


def end_group(group: int) -> None:
    """Ends every process of a process group: its leader in good order, then what is left."""
    for process in members(group):
        if process.pid == group:
            send(process, signal.SIGTERM)
            wait_until(lambda: not members(group), deadline_s=GRACE_S)
    for process in members(group):
        send(process, signal.SIGKILL)
    wait_until(lambda: not members(group), deadline_s=5.0)


def members(group: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def send(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


if __name__ == "__main__":
    main()
