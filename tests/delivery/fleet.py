"""Two consumers kept alive by a parent: who falls is noted and followed by the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from uuid import uuid4

import msgspec
import psutil

from tests.delivery.worker import POINTS, Note, Orders

ROOT = Path(__file__).resolve().parents[2]
# Long enough for a woken one that has nothing to notice: without the compare-and-set.
UNNOTICED_S = 2.0


@dataclass(frozen=True, slots=True)
class Fall:
    """One end to come: where, for the n-th time of passing there, and whether it is death or a freeze."""

    point: str
    occurrence: int
    act: Literal["die", "freeze"] = "die"


def falls(per_point: int, zombies: Sequence[str] = (), *, points: Sequence[str] = POINTS) -> list[Fall]:
    """Every point ``per_point`` times, at its first to third passing in turn, with the zombies spread in between."""
    deaths = [Fall(point, 1 + i % 3) for i in range(per_point) for point in points]
    step = len(deaths) // (len(zombies) + 1)
    for i, point in enumerate(zombies, start=1):
        deaths.insert(i * step + i - 1, Fall(point, 2, "freeze"))
    return deaths


@contextmanager
def held(number: signal.Signals) -> Iterator[None]:
    """A process that is started meanwhile gets the signal when it lets it in, not in the middle of its imports."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(slots=True)
class Slot:
    """A place for one consumer."""

    process: subprocess.Popen[bytes] | None = None
    name: str = ""
    fall: Fall | None = None
    stage: Literal["running", "frozen", "woken", "stopping"] = "running"
    since: float = 0.0


@dataclass(slots=True)
class Fleet:
    """The consumers of a site; ``overtaken`` says whether others have stored what a frozen one holds."""

    orders: Orders
    folder: Path
    waiting: deque[Fall]
    overtaken: Callable[[Note], bool]
    slots: tuple[Slot, ...] = field(default_factory=lambda: (Slot(), Slot()))
    kills: Counter[str] = field(default_factory=Counter)
    zombies: Counter[str] = field(default_factory=Counter)
    exit_codes: list[int] = field(default_factory=list)
    restarts: int = 0

    @property
    def busy(self) -> bool:
        """True while a fall is to come."""
        return bool(self.waiting) or any(slot.fall is not None for slot in self.slots)

    def tend(self) -> None:
        """One round: starts who is missing, notes who fell, wakes who froze."""
        for slot in self.slots:
            if slot.process is None:
                self.start(slot)
            elif (code := slot.process.poll()) is not None:
                self.ended(slot, code)
            elif slot.fall is not None and slot.fall.act == "freeze":
                self.tend_zombie(slot, slot.process)

    def start(self, slot: Slot) -> None:
        if slot.fall is None:
            slot.fall = self.next_fall()
        fall = slot.fall or Fall("", 0)
        slot.name, slot.stage = uuid4().hex[:8], "running"
        orders = msgspec.structs.replace(
            self.orders, name=slot.name, point=fall.point, occurrence=fall.occurrence, act=fall.act
        )
        with (self.folder / "workers.log").open("ab") as log, held(signal.SIGTERM):
            slot.process = subprocess.Popen(
                [sys.executable, "-m", "tests.delivery.worker", msgspec.json.encode(orders).decode()],
                cwd=ROOT,
                # Without compiled modules on disk a start takes seconds.
                env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
                stdout=log,
                stderr=log,
            )

    def next_fall(self) -> Fall | None:
        """The next to come; never two frozen at once, for then nobody would overtake them."""
        frozen = any(slot.fall is not None and slot.fall.act == "freeze" for slot in self.slots)
        found = next((fall for fall in self.waiting if not (frozen and fall.act == "freeze")), None)
        if found is not None:
            self.waiting.remove(found)
        return found

    def ended(self, slot: Slot, code: int) -> None:
        slot.process = None
        if code == -signal.SIGKILL and slot.fall is not None and slot.fall.act == "die":
            self.kills[slot.fall.point] += 1
            slot.fall = None
        elif slot.stage == "stopping" and slot.fall is not None:
            self.exit_codes.append(code)
            self.zombies[slot.fall.point] += 1
            slot.fall = None
        else:
            self.restarts += 1  # a service was away when it started

    def tend_zombie(self, slot: Slot, process: subprocess.Popen[bytes]) -> None:
        """Wakes a frozen one when others have stored what it holds, lets it notice, and asks it to end."""
        notes = [note for note in self.notes() if note.worker == slot.name]
        match slot.stage:
            case "running":
                if psutil.Process(process.pid).status() == psutil.STATUS_STOPPED:
                    slot.stage = "frozen"
            case "frozen":
                if all(self.overtaken(note) for note in notes if note.what == "freeze"):
                    process.send_signal(signal.SIGCONT)
                    slot.stage, slot.since = "woken", time.monotonic()
            case "woken":
                # It goes on with its transaction first, so what it notes first is what became of that.
                noticed = any(note.what in ("fenced", "away") for note in notes)
                uncompared = not self.orders.compare_and_set and time.monotonic() - slot.since > UNNOTICED_S
                if noticed or uncompared:
                    process.terminate()
                    slot.stage = "stopping"
            case _:
                pass

    def stop(self) -> None:
        """Asks all to end in good order."""
        for slot in self.slots:
            if slot.process is not None and slot.process.poll() is None:
                slot.process.terminate()
                self.exit_codes.append(slot.process.wait(30))

    def kill(self) -> None:
        for slot in self.slots:
            if slot.process is not None and slot.process.poll() is None:
                slot.process.kill()
                slot.process.wait()

    def notes(self) -> list[Note]:
        return [msgspec.json.decode(line, type=Note) for line in Path(self.orders.journal).read_bytes().splitlines()]

    def last_words(self) -> str:
        """For an error message."""
        notes = "\n".join(map(str, self.notes()[-10:]))
        return f"{self.slots}\n{notes}\n{(self.folder / 'workers.log').read_text()[-2_000:]}"
