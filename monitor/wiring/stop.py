"""How a role is told to end."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Stop:
    """Set by SIGTERM or SIGINT; a role ends at its next safe point."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def listen(self) -> Stop:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.note)
        return self

    def note(self, _number: int, _frame: FrameType | None) -> None:
        self.event.set()

    def __call__(self) -> bool:
        return self.event.is_set()

    def wait(self, seconds: float) -> None:
        self.event.wait(seconds)
