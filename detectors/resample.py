"""Traffic like a reference's: its rows drawn one by one, or runs of its panes where traces hang together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from detectors.base import Array, Features, Labels

# A run is so many times as long as what hangs together, so that few are cut.
_LONGER = 4.0
# Of fewer runs than this a reference drawn anew would vary too little.
_FEWEST_RUNS = 12


class Traffic(Protocol):
    """Streams of panes, side by side, and what a reference drawn from them would be."""

    def means(self, streams: int, random: np.random.Generator) -> Array:
        """Mean features ``(streams, k)`` of references as long as the one at hand."""
        ...

    def panes(self, streams: int, random: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        """Pane after pane without end: totals ``(streams, k)`` and traces ``(streams,)``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Independent traces: rows drawn with replacement (Efron, Ann. Statist. 1979).

    Attributes:
        features: ``(m, k)``.
        pane: traces in a pane.
    """

    features: Features
    pane: int

    def means(self, streams: int, random: np.random.Generator) -> Array:
        """See ``Traffic``."""
        rows = len(self.features)
        often = random.multinomial(rows, np.full(rows, 1.0 / rows), size=streams).astype(np.float32)
        found: Array = (often @ self.features).astype(np.float64) / rows
        return found

    def panes(self, streams: int, random: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        """See ``Traffic``."""
        rows, counts = len(self.features), np.full(streams, float(self.pane))
        while True:
            yield drawn(self.features, random.integers(0, rows, (streams, self.pane))), counts


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Runs of panes in a row, drawn with replacement on a circle (Politis and Romano 1992).

    Attributes:
        totals: of each pane in the order of time, ``(p, k)``.
        counts: traces of each, ``(p,)``.
        length: panes in a run.
    """

    totals: Array
    counts: Array
    length: int

    def means(self, streams: int, random: np.random.Generator) -> Array:
        """See ``Traffic``."""
        panes = len(self.totals)
        runs = -(-panes // self.length)
        starts = random.integers(0, panes, (streams, runs, 1))
        chosen = ((starts + np.arange(self.length)) % panes).reshape(streams, -1)[:, :panes]
        often = np.stack([np.bincount(row, minlength=panes) for row in chosen]).astype(np.float64)
        found: Array = (often @ self.totals) / (often @ self.counts)[:, None]
        return found

    def panes(self, streams: int, random: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        """See ``Traffic``. Runs of different streams end at different panes."""
        place = random.integers(0, len(self.totals), streams)
        left = random.integers(1, self.length + 1, streams)
        while True:
            yield self.totals[place], self.counts[place]
            left = left - 1
            anew = left == 0
            place = np.where(anew, random.integers(0, len(self.totals), streams), (place + 1) % len(self.totals))
            left = np.where(anew, self.length, left)


def runs_of(rows: Features, panes: Labels, unit: float) -> Runs:
    """Runs of the panes of ``rows (m, k)``, for traces that hang together ``unit`` at a time.

    Args:
        rows: features.
        panes: pane of each row ``(m,)``, in the order of time.
        unit: traces.
    """
    place = np.unique(panes, return_inverse=True)[1]
    counts = np.bincount(place).astype(np.float64)
    order = np.argsort(place, kind="stable")
    firsts = np.append(0, np.cumsum(counts)[:-1].astype(int))
    totals = np.add.reduceat(rows[order].astype(np.float64), firsts, axis=0)
    wanted = int(np.ceil(_LONGER * unit / counts.mean()))
    return Runs(totals, counts, max(min(wanted, len(counts) // _FEWEST_RUNS), 1))


def drawn(features: Features, rows: Labels) -> Array:
    """Sums ``(streams, k)`` of the chosen rows ``(streams, pane)``."""
    if rows.shape[1] * features.shape[1] <= 16_000:
        sums: Array = features[rows].sum(axis=1, dtype=np.float64)
        return sums
    return np.stack([features[chosen].sum(axis=0, dtype=np.float64) for chosen in rows])
