"""A scheduler over the real seeded decoder, driven by hand: no thread, no wait."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from monitor.events import Event
from monitor.inference.decoder.decoder import Decoder
from monitor.inference.decoder.folder import read_folder
from monitor.inference.decoder.seeded import Export, seeded_folder
from monitor.inference.decoder.vocabulary import token_bytes
from monitor.model.generation import Ask, Failed, Job, Piece, Told
from monitor.worker import Scheduler, Words

START = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass
class Bench:
    """``told`` is what mailboxes got, by the name an ask was submitted with."""

    scheduler: Scheduler
    told: dict[str, list[Told]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def submit(self, name: str, ask: Ask) -> Job:
        job = self.scheduler.submit(ask, name)
        assert job is not None
        return job

    def run(self) -> None:
        """Turn until nobody is under way."""
        for _ in range(10_000):
            if not (self.scheduler.rows or self.scheduler.waiting):
                return
            self.scheduler.turn()
        raise AssertionError("still at work after 10,000 turns")

    def pieces(self, name: str) -> list[Piece]:
        return [each for each in self.told.get(name, []) if isinstance(each, Piece)]

    def failures(self, name: str) -> list[str]:
        return [each.reason for each in self.told.get(name, []) if isinstance(each, Failed)]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Export, Path]:
    root = tmp_path_factory.mktemp("decoders")
    exports: tuple[Export, ...] = ("growing", "shared")
    return {export: seeded_folder(root / export, export) for export in exports}


@pytest.fixture(params=["growing", "shared"])
def bench(request: pytest.FixtureRequest, folders: dict[Export, Path]) -> Bench:
    return bench_of(folders[request.param])


@pytest.fixture
def shared_bench(folders: dict[Export, Path]) -> Bench:
    return bench_of(folders["shared"])


def bench_of(path: Path, *, slots: int = 4, waiting: int = 3) -> Bench:
    folder = read_folder(path)
    decoder = Decoder.load(folder.graph, slots=slots, length=128)
    words = Words(token_bytes(folder.tokenizer, decoder.vocabulary), folder.ends)
    ticks = count(1)
    told: dict[str, list[Told]] = {}
    events: list[Event] = []

    def deliver(batch: Sequence[tuple[Job, Told]]) -> None:
        for job, each in batch:
            told.setdefault(job.mailbox, []).append(each)

    scheduler = Scheduler(
        decoder, words, waiting=waiting, deliver=deliver, timer=lambda: float(next(ticks)), clock=lambda: START,
        emit=events.append,
    )  # fmt: skip
    return Bench(scheduler, told, events)
