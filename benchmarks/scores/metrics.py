"""Figures that the parts of this benchmark share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def auroc(values: Array, positive: Flags) -> float:
    """Chance that a positive row scores above a negative one, ties counting half; NaN without both."""
    hits = int(positive.sum())
    misses = len(values) - hits
    if not hits or not misses:
        return float("nan")
    ranks = rankdata(values)
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def auroc_within(values: Array, positive: Flags, lengths: Array) -> float:
    """AUROC inside quintiles of length, weighted by the pairs each compares."""
    quintile = np.digitize(lengths, np.quantile(lengths, [0.2, 0.4, 0.6, 0.8]))
    parts = [quintile == part for part in range(5)]
    pairs = np.array([float(positive[part].sum()) * float((~positive[part]).sum()) for part in parts])
    each = np.array([auroc(values[part], positive[part]) for part in parts])
    return float((pairs * np.nan_to_num(each)).sum() / pairs.sum())


def interval(
    values: Array, positive: Flags, groups: Sequence[str], *, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of the AUROC: percentiles over bootstrap samples of whole groups (sources, questions)."""
    random = np.random.default_rng(seed)
    names, owner = np.unique(np.array(groups), return_inverse=True)
    rows = [np.flatnonzero(owner == number) for number in range(len(names))]
    drawn = [np.concatenate([rows[i] for i in random.integers(0, len(rows), len(rows))]) for _ in range(resamples)]
    found = [auroc(values[places], positive[places]) for places in drawn]
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(low), float(high)
