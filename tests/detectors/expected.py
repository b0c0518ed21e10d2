"""Residuals of traces that are known by their topics alone."""

import numpy as np

from detectors.base import Array, Labels
from detectors.expectation import Mask, Residuals, prepared, residuals


def expected(
    values: Array, topics: Labels, after: Mask, *, over_dispersion: float = 1.0, foreign: Mask | None = None
) -> Residuals:
    """All in one fold; nothing is expected of the foreign."""
    none = np.zeros(len(topics), dtype=bool)
    fits = prepared(
        None, topics, np.zeros(len(topics), np.int64), after=after, foreign=none if foreign is None else foreign
    )
    return residuals(values, fits, after, reach=1.0, over_dispersion=over_dispersion)
