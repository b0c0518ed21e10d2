"""By how much a signal moved between the traces before and after, in its own unit and in standard deviations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.base import Array
from detectors.intervals import mean_difference
from detectors.witness import Places
from monitor.model.diagnosis import Case, Size


def size_of(case: Case, signal: str, places: Places, over_dispersion: float) -> Size:
    """The size of a signal's change; of a category, that of the one whose share moved most."""
    shift = mean_difference(places.before, places.after, over_dispersion=over_dispersion)
    sides = case.before.columns.get(signal), case.after.columns.get(signal)
    match sides:
        case (np.ndarray() as before, np.ndarray() as after) if before.ndim == 1:
            of, first, second = "", before[np.isfinite(before)], after[np.isfinite(after)]
        case (list() as before, list() as after):
            of, first, second = moved_most(before, after)
        case _:
            return Size(shift, None, "", None)
    if not len(first) or not len(second):
        return Size(shift, None, "", None)
    native = mean_difference(first, second, over_dispersion=over_dispersion)
    return Size(shift, native, of, float(first.mean()))


def moved_most(before: Sequence[str | None], after: Sequence[str | None]) -> tuple[str, Array, Array]:
    """The category whose share moved most, and which traces on both sides have it, as zeros and ones."""
    first, second = (np.array(["" if name is None else str(name) for name in side]) for side in (before, after))
    names = np.unique(np.concatenate([first, second]))
    moves = [abs(float((second == name).mean() - (first == name).mean())) for name in names]
    name = names[int(np.argmax(moves))]
    return str(name), (first == name).astype(np.float64), (second == name).astype(np.float64)
