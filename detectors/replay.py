"""Replaying panes without change: how often the evidence is large by chance, and how to read it so that it is right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from detectors.base import Array, Features, Labels
from detectors.category import CategoryMap
from detectors.reference import Reference
from detectors.scalar import ScalarMap
from detectors.sequential import Bank, advance, bank, start
from detectors.stack import Stack

# The line through these mean run lengths, in panes, is taken to go on to the threshold.
_SHORT, _LONG = 50.0, 2000.0
# A run length is known to a seventh from so many alarms.
_ALARMS = 50.0
# The run length that offsets are set at, and at which the replay says what was achieved.
_CHECKED = 200.0
# Far out, one nat of evidence is one nat of run length; near by, memories that are still short make it look like more.
_STEEPEST, _FLATTEST = 1.0, 0.8
# References that happen to be far off alarm soonest, the more so the further out the threshold.
_CAUTION = 0.95


@dataclass(frozen=True, slots=True)
class Replay:
    """How long a null replay is: streams side by side, and panes of each."""

    streams: int = 64
    panes: int = 600


def calibrate(
    references: Mapping[str, Reference],
    stack: Stack,
    features: Mapping[str, Features],
    *,
    pane: int,
    random: np.random.Generator,
    replay: Replay = Replay(),
) -> dict[str, Reference]:
    """The references with their evidence set so that ``log A`` is reached once in A panes of resampled rows.

    Half of the streams set it, the other half measure what came of it. How evidence grows with the run length is
    learned from all signals of one make together, since it hardly depends on what is measured.

    Args:
        references: by signal, fitted on the rows.
        stack: what made the features.
        features: of each signal, the rows its reference was centred on ``(m, k)``.
        pane: traces in a pane.
        random: which rows are drawn.
        replay: how many panes.
    """
    paths = {}
    for name, reference in references.items():
        # Rows are drawn independently, so they are judged as independent ones.
        alone = np.ones_like(reference.dispersion)
        plain = bank(stack.maps[name], [replace(reference, offset=0.0, slope=1.0, dispersion=alone, unit=1.0)])
        rows = features[name][:, : reference.tested]
        paths[name] = null_evidence(plain, rows, pane=pane, random=random, replay=replay)
    found = {}
    for make in (_tables(stack, paths), paths.keys() - _tables(stack, paths)):
        if make:
            half = replay.streams // 2
            slope = slope_of(np.hstack([paths[name][:, :half] for name in sorted(make)]))
            for name in sorted(make):
                offset = offset_of(paths[name][:, :half], slope)
                achieved = run_length(slope * (paths[name][:, half:] - offset), np.log(_CHECKED)) / _CHECKED
                found[name] = replace(references[name], offset=offset, slope=slope, achieved=achieved)
    return {name: found[name] for name in references}


def _tables(stack: Stack, names: Iterable[str]) -> set[str]:
    """Signals whose features come of a table; the others are vectors."""
    return {name for name in names if isinstance(stack.maps[name], (ScalarMap, CategoryMap))}


def null_evidence(
    monitors: Bank, features: Features, *, pane: int, random: np.random.Generator, replay: Replay = Replay()
) -> Array:
    """Evidence ``(panes, streams)`` of one monitor on streams of panes drawn from rows of its reference.

    Each stream is judged against a reference drawn anew from the same rows, since the one at hand is as far from the
    truth as that is from it (Gandy and Kvaløy, Scand. J. Stat. 2013).
    """
    streams, rows = replay.streams, len(features)
    side_by_side = monitors.take(np.zeros(streams, dtype=np.int64))
    often = random.multinomial(rows, np.full(rows, 1.0 / rows), size=streams).astype(np.float32)
    side_by_side = replace(side_by_side, mean=(often @ features).astype(np.float64) / rows)
    memory = start(side_by_side)
    counts, never = np.full(streams, float(pane)), np.full(streams, np.inf)
    path = np.empty((replay.panes, streams))
    for i in range(replay.panes):
        totals = drawn(features, random.integers(0, rows, (streams, pane)))
        memory, evidence = advance(side_by_side, memory, totals, counts, thresholds=never)
        path[i] = evidence.log_e
    return path


def slope_of(path: Array) -> float:
    """How much the log of the run length grows with the evidence ``(panes, streams)``."""
    long = min(_LONG, max(path.size / _ALARMS, 2.0 * _SHORT))
    rise = level_of(path, long) - level_of(path, _SHORT)
    return float(np.clip(_CAUTION * np.log(long / _SHORT) / max(rise, 1e-3), _FLATTEST, _STEEPEST))


def offset_of(path: Array, slope: float) -> float:
    """What to take off evidence that is reached once in so many panes as streams can tell."""
    panes = min(_CHECKED, path.size / _ALARMS)
    return level_of(path, panes) - float(np.log(panes)) / slope


def level_of(path: Array, panes: float) -> float:
    """The evidence that is reached once in so many panes."""
    low, high = float(path.min()), float(path.max())
    for _ in range(32):
        middle = (low + high) / 2.0
        if run_length(path, middle) < panes:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def run_length(path: Array, level: float) -> float:
    """Mean panes until evidence ``(panes, streams)`` reaches the level, if alarms come at a constant rate.

    Panes before the first alarm of each stream over alarms: the maximum likelihood of a rate under censoring.
    """
    reached = path >= level
    alarms = int(reached.any(axis=0).sum())
    before = np.where(reached.any(axis=0), reached.argmax(axis=0) + 1, len(path))
    return float(before.sum()) / max(alarms, 0.5)


def drawn(features: Features, rows: Labels) -> Array:
    """Sums ``(streams, k)`` of the chosen rows ``(streams, pane)``."""
    if rows.shape[1] * features.shape[1] <= 16_000:
        sums: Array = features[rows].sum(axis=1, dtype=np.float64)
        return sums
    return np.stack([features[chosen].sum(axis=0, dtype=np.float64) for chosen in rows])
