"""Delay and power of the offline tests of vectors, told when the change came."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.drift import oracle
from benchmarks.drift.laws import Change
from benchmarks.drift.oracle import Bench
from benchmarks.drift.streams import sample
from benchmarks.drift.traffic import Array, Independent

GRID = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192)  # traces
_CHANGED = 40_000  # traces from which the direction of a change is told


def delays(bench: Bench, change: Change, *, level: float, replicates: int, seed: tuple[int, ...]) -> dict[str, float]:
    """Traces at which each test of a given level finds the change in half of the runs; infinite beyond the grid.

    Looks further only while no omnibus test has found it.
    """
    toward = oracle.directions(bench, change, traces=_CHANGED, seed=(*seed, 0))
    for longest in (512, 2_048, GRID[-1]):
        grid = [n for n in GRID if n <= longest]
        found = _power(bench, change, toward, grid, level=level, replicates=replicates, seed=(*seed, 1))
        if found[-1, : len(oracle.OMNIBUS)].max() >= 0.5:
            break
    return {test: _crossing(grid, found[:, column]) for column, test in enumerate(oracle.TESTS)}


def power(
    bench: Bench, change: Change, n: int, *, level: float, replicates: int, seed: tuple[int, ...]
) -> dict[str, float]:
    """How often each test finds the change in ``n`` traces."""
    toward = oracle.directions(bench, change, traces=_CHANGED, seed=(*seed, 0))
    found = _power(bench, change, toward, [n], level=level, replicates=replicates, seed=(*seed, 1))
    return dict(zip(oracle.TESTS, found[0].tolist(), strict=True))


def _power(
    bench: Bench,
    change: Change,
    toward: Sequence[Array],
    grid: Sequence[int],
    *,
    level: float,
    replicates: int,
    seed: tuple[int, ...],
) -> Array:
    """Share of runs in which each test passes its critical value, ``(len(grid), tests)``."""
    limits = np.array([oracle.critical(bench, toward, n, level) for n in grid])
    passed = np.zeros((len(grid), len(oracle.TESTS)))
    for number, fitted in enumerate(bench.features):
        for replicate in range(replicates):
            rows = sample(bench.law, Independent(), grid[-1], seed=(*seed, number, replicate), change=change).column
            sums = np.zeros(len(fitted.mean))
            for place, (begin, end) in enumerate(zip((0, *grid), grid, strict=False)):
                shift = fitted.apply(np.asarray(rows[begin:end], np.float32)) - fitted.mean
                sums += shift.sum(axis=0)
                passed[place] += oracle.statistics(fitted, sums[None] / end, toward[number])[0] >= limits[place]
    return passed / (len(bench.features) * replicates)


def _crossing(grid: Sequence[int], found: Array) -> float:
    """Traces at which the power first is a half, linear in log n between the points of the grid."""
    over = found >= 0.5
    if not over.any():
        return float("inf")
    place = int(np.argmax(over))
    if place == 0:
        return float(grid[0])
    part = (0.5 - found[place - 1]) / (found[place] - found[place - 1])
    return float(np.exp(np.log(grid[place - 1]) + part * np.log(grid[place] / grid[place - 1])))
