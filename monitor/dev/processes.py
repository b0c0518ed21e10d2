"""Processes that outlive the one that started them, found again by a pid file."""

import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from monitor.errors import Permanent


class ServiceError(Permanent):
    """A local service cannot run; the message is a sentence for the person who asked for it."""


class NotInstalledError(ServiceError):
    """What the service is made of is not on this machine; the message says how to get it."""


def silent(_sentence: str) -> None:
    """A `report` for those who do not want to hear about progress."""


def spawn(argv: list[str], *, log: Path, pid_file: Path) -> psutil.Process:
    """Start a program in a session of its own, so that Ctrl-C and the death of its parent leave it alone."""
    pid = os.posix_spawn(
        argv[0],
        argv,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    pid_file.write_text(f"{pid}\n")
    return psutil.Process(pid)


def running(pid_file: Path, *, marker: str) -> psutil.Process | None:
    """The live process of a pid file whose command line has `marker`.

    The kernel reuses pids, so a number in an old file may belong to a stranger.
    """
    try:
        process = psutil.Process(int(pid_file.read_text().split()[0]))
        ours = any(marker in word for word in process.cmdline())
    except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return None
    return process if ours else None


def alive(process: psutil.Process) -> bool:
    """False once it has exited, reaped or not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(processes: Sequence[psutil.Process], *, grace_s: float) -> None:
    """Ask to stop, wait, then kill what is left; returns when all are gone.  No grace means SIGKILL at once."""
    if grace_s > 0:
        _signal(processes, psutil.Process.terminate)
        _, processes = psutil.wait_procs(processes, timeout=grace_s)
    _signal(processes, psutil.Process.kill)
    psutil.wait_procs(processes, timeout=10)


def wait_until(ready: Callable[[], bool], *, deadline_s: float, every_s: float = 0.1) -> bool:
    """Poll until the fact holds; False when the time is over."""
    end_at = time.monotonic() + deadline_s
    while not ready():
        if time.monotonic() > end_at:
            return False
        time.sleep(every_s)
    return True


def free_port() -> int:
    """A loopback port below the ephemeral range.

    A client that retries a port inside that range can connect to itself and so take the port of a stopped server.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    if not log.exists():
        return "(no log)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 65_536))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


def _signal(processes: Sequence[psutil.Process], send: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        try:
            send(process)
        except psutil.NoSuchProcess:
            continue
