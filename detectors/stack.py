"""Every signal of a trace side by side: one matrix per batch, one sum per group."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from detectors.base import Features, Labels, Sum, WatchedMap


@dataclass(frozen=True, slots=True)
class Stack:
    """The feature maps of a baseline, one slice of the features per signal, in the order of the mapping."""

    maps: Mapping[str, WatchedMap]

    @property
    def names(self) -> tuple[str, ...]:
        """The signals, in the order of their slices."""
        return tuple(self.maps)

    @property
    def size(self) -> int:
        """Features of all signals together."""
        return sum(feature_map.size for feature_map in self.maps.values())

    def slice(self, name: str) -> builtins.slice:
        """Where the features of one signal lie."""
        return self.slices()[name]

    def slices(self) -> dict[str, builtins.slice]:
        """Where the features of each signal lie."""
        ends = accumulate((feature_map.size for feature_map in self.maps.values()), initial=0)
        return {
            name: builtins.slice(start, stop) for name, (start, stop) in zip(self.maps, pairwise(ends), strict=True)
        }

    def apply(self, columns: Mapping[str, Any]) -> Features:
        """Features ``(n, size)`` of ``n`` traces; a signal without a column is missing from all of them."""
        count = next((len(column) for column in columns.values()), 0)
        features = np.zeros((count, self.size), dtype=np.float32)
        for name, part in self.slices().items():
            if name in columns:
                features[:, part] = self.maps[name].apply(columns[name])
            else:
                features[:, part] = self.maps[name].missing
        return features


def summarise_groups(features: Features, groups: Labels, n_groups: int, *, rows: Labels | None = None) -> list[Sum]:
    """The sum of each group's rows of ``(n, k)`` features, in double precision.

    ``groups (m,)`` holds group numbers below ``n_groups``, and ``rows (m,)`` the row each stands for, so that a row may
    be in several groups; None means row i is in ``groups[i]``.
    """
    order = np.argsort(groups, kind="stable")
    ordered = order if rows is None else rows[order]
    counts = np.bincount(groups, minlength=n_groups)
    stops = np.cumsum(counts)
    # Row by group: what is gathered stays in the cache until it is added.
    return [
        Sum(float(count), features[ordered[stop - count : stop]].sum(axis=0, dtype=np.float64))
        for count, stop in zip(counts.tolist(), stops.tolist(), strict=True)
    ]
