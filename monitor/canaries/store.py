"""What canaries ask of a store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from monitor.model.alert import Change
from monitor.model.canary import Canary, Pin, Place, Told


class CanaryStore(Protocol):
    """Golden prompts, their answers, and how each target stands."""

    def canaries(self) -> Sequence[Canary]:
        """The golden prompts by name."""

    def next_up(self, target: str) -> Canary | None:
        """The golden prompt that was sent to the target longest ago; None where there are none."""

    def pin(self, target: str, repeats: int, at: datetime) -> Sequence[Change]:
        """Begin a reference; the open alert about the last one is accepted."""

    def place(self, target: str, canary: Canary, repeats: int, at: datetime) -> AbstractContextManager[Place]:
        """How the target stands for a prompt, locked till the end of the block; its first reference begins here."""

    def anew(self, place: Place, at: datetime) -> Place:
        """Within the block: the same place at the beginning of another reference."""

    def since(self, pin: Pin, canaries: int) -> Sequence[tuple[Told, Told]]:
        """Within the block: the last so many tested answers, the oldest first, each before its reference's."""

    def record(self, target: str, told: Told, pin: Pin | None, change: Change | None) -> None:
        """Within the block, or alone where nothing is compared: the answer, the pin with its watch, the alert."""
