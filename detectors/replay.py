"""Replaying panes without change: how often the evidence is large by chance, and how to read it so that it is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from detectors.base import Array, Features, Labels
from detectors.category import CategoryMap
from detectors.reference import Reference
from detectors.resample import Rows, Traffic, runs_of
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
_FLATTEST, _STEEPEST = 0.8, 1.0
# Runs of panes hold none that the reference did not see, and traces that hang together will bring some: their tail is
# taken to be flat, and a margin is kept, the more the fewer independent units there were to learn from.
_MARGIN, _LEAST_WITH_MARGIN, _FEW_UNITS = 0.8, -2.5, 80.0
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
    panes: Mapping[str, Labels] | None = None,
    replay: Replay = Replay(),
) -> dict[str, Reference]:
    """The references with their evidence set so that ``log A`` is reached once in A panes of resampled traces.

    Half of the streams set it, the other half measure what came of it. How evidence grows with the run length is
    learned from all signals of one make together, since it hardly depends on what is measured.

    Args:
        references: by signal, fitted on the rows.
        stack: what made the features.
        features: of each signal, the rows its reference was centred on ``(m, k)``.
        pane: traces in a pane.
        random: which rows are drawn.
        panes: of each signal, the pane of each row ``(m,)``, in the order of time: where the reference saw that traces
            hang together, runs of panes are drawn instead of single rows.
        replay: how many panes.
    """
    paths, makes = {}, {}
    for name, reference in references.items():
        rows = features[name][:, : reference.tested]
        hangs = panes is not None and reference.unit > 1.0
        traffic = runs_of(rows, panes[name], reference.unit) if panes is not None and hangs else Rows(rows, pane)
        plain = bank(stack.maps[name], [_unset(reference, independent=not hangs)])
        paths[name] = null_evidence(plain, traffic, random=random, replay=replay)
        makes[name] = (isinstance(stack.maps[name], (ScalarMap, CategoryMap)), hangs)
    found = {}
    half = replay.streams // 2
    for make in set(makes.values()):
        alike = [name for name in references if makes[name] == make]
        hangs = make[1]
        slope = _FLATTEST if hangs else slope_of(np.hstack([paths[name][:, :half] for name in alike]))
        for name in alike:
            offset = offset_of(paths[name][:, :half], slope)
            if hangs:
                units = references[name].n / references[name].unit
                offset = max(offset + _MARGIN, _LEAST_WITH_MARGIN + max(_FEW_UNITS / units - 1.0, 0.0))
            achieved = achieved_of(slope * (paths[name][:, half:] - offset))
            found[name] = replace(references[name], offset=offset, slope=slope, achieved=achieved)
    return {name: found[name] for name in references}


def null_evidence(monitors: Bank, traffic: Traffic, *, random: np.random.Generator, replay: Replay = Replay()) -> Array:
    """Evidence ``(panes, streams)`` of one monitor on streams of panes drawn from the traffic of its reference.

    Each stream is judged against a reference drawn anew from the same traffic, since the one at hand is as far from the
    truth as that is from it (Gandy and Kvaløy, Scand. J. Stat. 2013).
    """
    streams = replay.streams
    side_by_side = monitors.take(np.zeros(streams, dtype=np.int64))
    side_by_side = replace(side_by_side, mean=traffic.means(streams, random))
    memory, never = start(side_by_side), np.full(streams, np.inf)
    path = np.empty((replay.panes, streams))
    for i, (totals, counts) in enumerate(islice(traffic.panes(streams, random), replay.panes)):
        memory, evidence = advance(side_by_side, memory, totals, counts, thresholds=never)
        path[i] = evidence.log_e
    return path


def _unset(reference: Reference, *, independent: bool) -> Reference:
    """The reference before calibration; rows that are drawn one by one are judged as independent ones."""
    plain = replace(reference, offset=0.0, slope=1.0)
    return replace(plain, dispersion=np.ones_like(plain.dispersion), unit=1.0) if independent else plain


def achieved_of(path: Array) -> float:
    """The run length of a replay ``(panes, streams)`` over the one aimed at; NaN where no stream differs from another.

    A signal that never varied in the reference has nothing to alarm on by chance.
    """
    if np.ptp(path, axis=1).max() < 1e-9:
        return float("nan")
    return run_length(path, np.log(_CHECKED)) / _CHECKED


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
