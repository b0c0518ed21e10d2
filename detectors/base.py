"""A signal is a bounded feature map, and its state is a sum that adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Features = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Sum:
    """How many traces, and the sum of their features: all that a detector keeps.

    ``summarise(a ++ b) == summarise(a) + summarise(b)``, so panes, partitions and processes merge by ``+``.

    Attributes:
        n: traces counted; a float, so that weighted traces add too.
        total: the sum of their features, ``(k,)``.
    """

    n: float
    total: Array

    @staticmethod
    def zero(size: int) -> Sum:
        """The sum of no trace."""
        return Sum(0.0, np.zeros(size))

    def __add__(self, other: Sum) -> Sum:
        if self.total.shape != other.total.shape:
            raise ValueError(f"expected {self.total.shape[0]} features, got {other.total.shape[0]}")
        return Sum(self.n + other.n, self.total + other.total)

    def __getitem__(self, part: slice) -> Sum:
        """The same traces, seen through a slice of the features."""
        return Sum(self.n, self.total[part])

    @property
    def mean(self) -> Array:
        """The mean feature ``(k,)``; NaN when there is no trace."""
        if self.n == 0:
            return np.full_like(self.total, np.nan)
        return self.total / self.n


def summarise(features: Features | Array) -> Sum:
    """The sum of ``(n, k)`` features, added in double precision."""
    return Sum(float(len(features)), features.sum(axis=0, dtype=np.float64))


@dataclass(frozen=True, slots=True)
class View:
    """A stretch of a map's turned features that is tested by itself, as quadratic forms of its mean shift.

    Attributes:
        name: what people call it.
        start: its first turned feature.
        stop: the one after its last.
        ridges: a form each: None weighs all axes alike (the distance of the means), ρ divides each axis by its variance
            plus ρ times the leading ones (Hotelling's statistic with a ridge).
        weight: share of the map's false alarms that the view may cause.
    """

    name: str
    start: int
    stop: int
    ridges: tuple[float | None, ...]
    weight: float


class FeatureMap(Protocol):
    """Maps a column of ``n`` values to ``(n, size)`` bounded features, row by row.

    A missing value is a coordinate of its own, so ``n`` is the same for every signal.
    """

    @property
    def size(self) -> int:
        """How many features one value has."""
        ...

    @property
    def tested(self) -> int:
        """The first ``tested`` features decide; the rest only tell people, say a mean in native units."""
        ...

    @property
    def bound(self) -> float:
        """No value has tested features longer than this (Euclidean norm)."""
        ...

    @property
    def missing(self) -> Features:
        """The features ``(size,)`` of a missing value."""
        ...

    def apply(self, column: Any) -> Features:
        """The features ``(n, size)`` of the column."""
        ...


class WatchedMap(FeatureMap, Protocol):
    """A feature map whose means are watched over time, view by view."""

    @property
    def views(self) -> tuple[View, ...]:
        """What is tested, over the turned features."""
        ...

    @property
    def unseen(self) -> Features:
        """Features ``(q, size)`` of values that any reference may have missed; each counts as seen once."""
        ...

    def turn(self, features: Array) -> Array:
        """Tested features ``(…, tested)``, or sums of them, in the axes of the views: an orthogonal map."""
        ...

    def turn_back(self, turned: Array) -> Array:
        """The inverse of ``turn``."""
        ...
