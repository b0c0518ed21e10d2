"""Seeded streams of one signal: a law of values under a kind of traffic, with a change from some trace on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift.laws import Change, Law
from benchmarks.drift.traffic import Array, Labels, Traffic

REFERENCE = 5_000
BLOCK = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """``n`` traces in a row.

    Attributes:
        column: their values, ``(n,)`` or ``(n, d)``.
        session: ``(n,)``.
        day: time in days since the traffic began, ``(n,)``.
    """

    column: NDArray[np.generic]
    session: Labels
    day: Array

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, rows: slice) -> Block:
        return Block(self.column[rows], self.session[rows], self.day[rows])


def blocks(
    law: Law,
    traffic: Traffic,
    *,
    seed: tuple[int, ...],
    change: Change | None = None,
    size: int = BLOCK,
) -> Iterator[Block]:
    """Blocks of ``size`` traces, without end. The same seed has the same latents, changed or not."""
    latent, noise = (np.random.default_rng([*seed, part]) for part in (0, 1))
    for latents in traffic.latents(latent, size):
        yield Block(law.draw(latents, noise, change), latents.session, latents.day)


def sample(law: Law, traffic: Traffic, n: int, *, seed: tuple[int, ...], change: Change | None = None) -> Block:
    """``n`` traces in a row."""
    return next(blocks(law, traffic, seed=seed, change=change, size=n))


def changed_after(
    law: Law, traffic: Traffic, n: int, *, quiet: int, seed: tuple[int, ...], change: Change
) -> Iterator[Block]:
    """One block of ``quiet`` unchanged traces, then changed blocks that add up to at least ``n``."""
    yield sample(law, traffic, quiet, seed=(*seed, 0))
    seen = 0
    for block in blocks(law, traffic, seed=(*seed, 1), change=change, size=min(n, BLOCK)):
        yield block
        seen += len(block)
        if seen >= n:
            return
