"""Runs the roles of a small site as one process group: each in its own process, started again when it dies."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from monitor.errors import Permanent
from monitor.events import RoleEnded, Started, Stopped
from monitor.ports import Emit

# A process that ends with this has a wrong setting: starting it again would not help (EX_CONFIG of sysexits.h).
WRONG_SETTING = 78
GRACE_S = 15.0
STEADY_S = 60.0


@dataclass(slots=True)
class Child:
    role: str
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    again_at: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Starts ``python -m monitor ROLE`` for each role; a child that dies comes back after a growing wait."""

    roles: Sequence[str]
    environ: Mapping[str, str]
    emit: Emit
    children: list[Child] = field(default_factory=list)

    def run(self, stopped: Callable[[], bool], wait: Callable[[float], object]) -> None:
        """Until stopped; raises Permanent when a role has a wrong setting."""
        self.children = [Child(role) for role in self.roles]
        try:
            while not stopped():
                for child in self.children:
                    self.tend(child)
                wait(0.2)
        finally:
            self.end()

    def tend(self, child: Child) -> None:
        now = monotonic()
        if child.process is None:
            if now >= child.again_at:
                child.process = subprocess.Popen([sys.executable, "-m", "monitor", child.role], env=dict(self.environ))
                child.started = now
                self.emit(Started(child.role, f"process {child.process.pid}"))
            return
        code = child.process.poll()
        if code is None:
            return
        child.process = None
        if code == WRONG_SETTING:
            raise Permanent(f"{child.role} can't start; its reason is above")
        child.failures = 1 if now - child.started > STEADY_S else child.failures + 1
        wait_s = min(0.5 * 2**child.failures, 30.0)
        child.again_at = now + wait_s
        self.emit(RoleEnded(child.role, code, wait_s))

    def end(self) -> None:
        """Asks all to end, waits, and kills what does not."""
        running = [child for child in self.children if child.process is not None and child.process.poll() is None]
        for child in running:
            assert child.process is not None
            child.process.send_signal(signal.SIGTERM)
        until = monotonic() + GRACE_S
        for child in running:
            assert child.process is not None
            try:
                child.process.wait(max(until - monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            self.emit(Stopped(child.role))
