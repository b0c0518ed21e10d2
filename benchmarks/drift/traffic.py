"""How traces depend on each other and on the time of day: laws of a latent normal number per trace.

Every kind but the daily cycle has standard normal margins; the daily cycle's margin is that of whole days.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

DAY = 2_500  # traces: a reference of 5,000 covers two days


@dataclass(frozen=True, slots=True, eq=False)
class Latents:
    """What decides the topics and the levels of ``n`` traces in a row, all ``(n,)``.

    Attributes:
        topic: what decides the topic or the category.
        level: what decides a number.
        session: the session of each trace.
        day: time in days since the traffic began.
    """

    topic: Array
    level: Array
    session: Labels
    day: Array


class Traffic(Protocol):
    """A law of latents."""

    @property
    def name(self) -> str:
        """As it stands in the tables."""
        ...

    def latents(self, random: np.random.Generator, block: int) -> Iterator[Latents]:
        """Blocks of ``block`` traces in a row, without end."""
        ...


@dataclass(frozen=True, slots=True)
class Independent:
    """Every trace on its own."""

    name: str = "i.i.d."

    def latents(self, random: np.random.Generator, block: int) -> Iterator[Latents]:
        """See ``Traffic``."""
        for session, day in _clock(block):
            normal = random.standard_normal(block)
            yield Latents(normal, normal, session, day)


@dataclass(frozen=True, slots=True)
class Sticky:
    """Sessions that keep their topic, and half of the variance of their level, for a geometric number of traces.

    Attributes:
        mean_length: traces in a session.
        at_once: sessions open at a time; each trace belongs to one of them by chance, so a session spans about
            ``mean_length · at_once`` traces in a row.
    """

    name: str = "sticky sessions"
    mean_length: float = 8.0
    at_once: int = 8

    def latents(self, random: np.random.Generator, block: int) -> Iterator[Latents]:
        """See ``Traffic``."""
        kept, ids, last = random.standard_normal(self.at_once), np.arange(self.at_once), self.at_once
        for _, day in _clock(block):
            slot = random.integers(0, self.at_once, block)
            begins = random.random(block) < 1.0 / self.mean_length
            order = np.argsort(slot, kind="stable")
            # By slot, with the session that the slot holds in front of its traces.
            fronts = np.searchsorted(slot[order], np.arange(self.at_once)) + np.arange(self.at_once)
            held = np.zeros(block + self.at_once, dtype=bool)
            held[fronts] = True
            starts = held.copy()
            starts[~held] = begins[order]
            normal, session = random.standard_normal(len(held)), last + np.arange(len(held))
            normal[held], session[held] = kept, ids
            source = np.maximum.accumulate(np.where(starts, np.arange(len(held)), 0))
            normal, session = normal[source], session[source]
            ends = np.append(fronts[1:], len(held)) - 1
            kept, ids, last = normal[ends], session[ends], last + len(held)
            topic, label = np.empty(block), np.empty(block, dtype=np.int64)
            topic[order], label[order] = normal[~held], session[~held]
            level = (topic + random.standard_normal(block)) / np.sqrt(2.0)
            yield Latents(topic, level, label, day)


@dataclass(frozen=True, slots=True)
class Daily:
    """Topic mix and level that swing over the day, ``swing`` standard deviations to either side."""

    name: str = "daily cycle"
    swing: float = 0.5

    def latents(self, random: np.random.Generator, block: int) -> Iterator[Latents]:
        """See ``Traffic``."""
        for session, day in _clock(block):
            normal = random.standard_normal(block) + self.swing * np.sin(2.0 * np.pi * day)
            yield Latents(normal, normal, session, day)


@dataclass(frozen=True, slots=True)
class Autoregressive:
    """``z_t = ρ z_{t−1} + √(1 − ρ²) ε_t``: the variance of long means is ``(1 + ρ) / (1 − ρ)`` times the i.i.d. one."""

    name: str = "AR(1)"
    rho: float = 0.8

    def latents(self, random: np.random.Generator, block: int) -> Iterator[Latents]:
        """See ``Traffic``."""
        carried = np.array([self.rho * random.standard_normal()])
        scale = np.sqrt(1.0 - self.rho**2)
        for session, day in _clock(block):
            normal, carried = lfilter([scale], [1.0, -self.rho], random.standard_normal(block), zi=carried)
            yield Latents(normal, normal, session, day)


def _clock(block: int) -> Iterator[tuple[Labels, Array]]:
    """Numbers of the traces, which are their sessions where there are none, and the day of each."""
    first = 0
    while True:
        number = np.arange(first, first + block)
        yield number, number / DAY
        first += block


KINDS: tuple[Traffic, ...] = (Independent(), Sticky(), Daily(), Autoregressive())
