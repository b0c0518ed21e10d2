"""Distributions of both sides as bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.base import Array
from monitor.model.comparison import Bars

_BINS = 24
_LABELS = 8


def number_bars(before: Array, now: Array) -> Bars:
    """Equally wide bins over the middle 98 % of both sides; the outermost hold what lies beyond."""
    both = np.concatenate([before, now])
    if not len(both):
        return Bars((), (), ())
    low, high = np.quantile(both, [0.01, 0.99])
    if low == high:
        low, high = float(both.min()), float(both.max())
    if low == high:
        low, high = low - 0.5, low + 0.5
    whole = bool((both == np.rint(both)).all()) and high - low <= 4 * _BINS
    width = max(float(np.ceil((high - low + 1) / _BINS)), 1.0) if whole else (high - low) / _BINS
    edges = low + width * np.arange(int(np.ceil((high - low + whole) / width - 1e-9)) + 1)
    sides = [np.histogram(np.clip(side, edges[0], edges[-1]), edges)[0] / max(len(side), 1) for side in (before, now)]
    return Bars([f"{edge:.4g}" for edge in edges], sides[0].tolist(), sides[1].tolist())


def label_bars(labels: Sequence[str | None], before: Array, now: Array) -> Bars:
    """The most frequent labels with their shares, and all others as one."""
    names = ["(none)" if label is None else label for label in labels]
    first, second = before.tolist(), now.tolist()
    if len(names) > _LABELS + 1:
        names = [*names[:_LABELS], f"{len(names) - _LABELS} others"]
        first, second = ([*side[:_LABELS], sum(side[_LABELS:])] for side in (first, second))
    return Bars(names, first, second)
