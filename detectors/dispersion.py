"""How much more sums vary than those of independent traces: sessions, retries and bursts keep traces alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.base import Array, Labels, View

# Fewer independent stretches than this say nothing about how much stretches vary.
_STRETCHES = 6.0
# An excess that chance would show once in forty times is taken for one.
_CERTAIN = 2.0
# Runs of double length that vary less than so much more show that runs are long enough; fewer say nothing of their law.
_MORE, _FEWEST_UNITS = 1.15, 48


def dispersion(rows: Array, panes: Labels, *, views: tuple[View, ...], half_lives: Array, variances: Array) -> Array:
    """Variance of fading sums over that of independent rows, for each half-life and axis ``(h, t)``; at least one.

    The sums are those that the sequential test keeps: a pane of n rows fades the ones before by ``0.5^(n / h)``. Axes
    of like variance share one figure, since what hangs together is as a rule the topic, which lies along the leading
    ones. A longer memory is never taken to disperse less than a shorter one; one too long for the rows takes the figure
    that the longest two which are not point to.

    Args:
        rows: centred, in turned features, ``(n, t)``.
        panes: pane of each row ``(n,)``, in the order of time.
        views: stretches of axes that share figures.
        half_lives: in rows, ascending, ``(h,)``.
        variances: of one row along each axis, ``(t,)``.
    """
    names, place = np.unique(panes, return_inverse=True)
    counts = np.bincount(place).astype(np.float64)
    found = np.ones((len(half_lives), rows.shape[1]))
    if len(names) < 2 * _STRETCHES:
        return found
    order = np.argsort(place, kind="stable")
    sums = np.add.reduceat(rows[order].astype(np.float64), np.append(0, np.cumsum(counts)[:-1].astype(int)), axis=0)
    stretches = np.minimum(len(rows) / np.maximum(2.9 * half_lives, counts.mean()), len(names))
    known = int((stretches >= _STRETCHES).sum())
    errors = np.zeros_like(found)
    for i in range(known):
        relative = _relative_squares(sums, counts, half_lives[i])
        found[i], errors[i] = _ratios(relative, views, variances, stretches[i])
    if known:
        found[known:] = _longer(found[:known], half_lives)
        errors[known:] = errors[known - 1]
    # With its standard error: too little costs more false alarms than too much costs delay.
    total: Array = np.maximum.accumulate(found * (1.0 + errors), axis=0)
    return total


def _longer(found: Array, half_lives: Array) -> Array:
    """Ratios of memories longer than those known: on ``1 + D h / (h + τ)`` through the last two.

    That is the law where what hangs together fades with the distance at a rate of ``log 2 / τ``; one memory alone does
    not tell τ, and is taken to be as long.
    """
    known = len(found)
    last = half_lives[known - 1]
    excess = np.maximum(found[-1] - 1.0, 0.0)
    tau: Array = np.full_like(excess, last)
    if known > 1:
        before = half_lives[known - 2]
        growth = np.clip(excess / np.maximum(found[-2] - 1.0, 1e-9), 1.0, 0.98 * last / before)
        tau = last * before * (growth - 1.0) / (last - growth * before)
    beyond = half_lives[known:, None]
    ratios: Array = 1.0 + excess * (last + tau) / last * beyond / (beyond + tau)
    return ratios


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """What may be taken for independent of each other.

    Attributes:
        rows: sums of units, each axis scaled to the variance of a trace, ``(u, t)``.
        size: traces in a unit.
    """

    rows: Array
    size: float


def independent_units(rows: Array, panes: Labels, hanging: Array) -> Units:
    """The shortest runs of panes that longer ones hardly vary more than.

    Args:
        rows: centred, in turned features, ``(n, t)``.
        panes: pane of each row ``(n,)``, in the order of time.
        hanging: how much each axis counts ``(t,)``.
    """
    counts = hanging / np.maximum((rows**2).mean(axis=0), 1e-300)
    place = np.unique(panes, return_inverse=True)[1]
    length, units = 1, _runs(rows, place)
    while (place.max() + 1) // (2 * length) >= _FEWEST_UNITS:
        longer = _runs(rows, place // (2 * length))
        if counts @ (longer.rows**2).mean(axis=0) < _MORE * (counts @ (units.rows**2).mean(axis=0)):
            break
        length, units = 2 * length, longer
    scales = np.sqrt((rows**2).mean(axis=0) / np.maximum((units.rows**2).mean(axis=0), 1e-300))
    return Units(units.rows * scales, units.size)


def _runs(rows: Array, place: Labels) -> Units:
    """The sums of runs over the root of their size."""
    counts = np.bincount(place).astype(np.float64)
    order = np.argsort(place, kind="stable")
    sums = np.add.reduceat(rows[order].astype(np.float64), np.append(0, np.cumsum(counts)[:-1].astype(int)), axis=0)
    return Units(sums / np.sqrt(counts)[:, None], float(counts.mean()))


def _relative_squares(sums: Array, counts: Array, half_life: float) -> Array:
    """Mean of the squared fading sum over the squares of its weights, ``(t,)``."""
    total, squares = np.zeros(sums.shape[1]), 0.0
    relative, seen = np.zeros(sums.shape[1]), 0.0
    for pane, count in zip(sums, counts, strict=True):
        fade = 0.5 ** (count / half_life)
        total, squares = fade * total + pane, fade**2 * squares + count
        relative += total**2 / squares
        seen += 1.0
    return relative / seen


def _ratios(relative: Array, views: tuple[View, ...], variances: Array, stretches: float) -> tuple[Array, Array]:
    """The ratio of each group of axes, one where it could be chance, and its relative standard error.

    A group doubles in size with every step down.
    """
    found, errors = np.ones(len(variances)), np.zeros(len(variances))
    for view in views:
        order = view.start + np.argsort(-variances[view.start : view.stop], kind="stable")
        order = order[variances[order] > 1e-9]
        start, size = 0, 1
        while start < len(order):
            group = order[start : start + size]
            ratio = float((relative[group] / variances[group]).mean())
            chance = np.sqrt(2.0 / (stretches * len(group)))
            if ratio > 1.0 + _CERTAIN * chance:
                found[group], errors[group] = ratio, chance
            start, size = start + size, min(2 * size, 64)
    return found, errors
