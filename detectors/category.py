"""Labels as features: one-hot over the known ones, "other", missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.base import Array, Features, View


@dataclass(frozen=True, slots=True)
class CategoryMap:
    """One-hot over the known categories, then "other", then missing."""

    categories: tuple[str, ...]

    @property
    def size(self) -> int:
        """Known categories, other, missing."""
        return len(self.categories) + 2

    @property
    def tested(self) -> int:
        """All of them."""
        return self.size

    @property
    def bound(self) -> float:
        """A one-hot row has length one."""
        return 1.0

    @property
    def views(self) -> tuple[View, ...]:
        """All shares together."""
        return (View("shares", 0, self.size, (1.0, 0.1), 1.0),)

    @property
    def missing(self) -> Features:
        """One in the last place."""
        row: Features = np.zeros(self.size, dtype=np.float32)
        row[-1] = 1.0
        return row

    @property
    def unseen(self) -> Features:
        """Other and missing."""
        rows: Features = np.eye(self.size, dtype=np.float32)[-2:]
        return rows

    def turn(self, features: Array) -> Array:
        """As they are."""
        return features

    def turn_back(self, turned: Array) -> Array:
        """As they are."""
        return turned

    def apply(self, column: Sequence[str | None]) -> Features:
        """Features ``(n, size)`` of ``n`` labels; None is missing."""
        place: dict[str | None, int] = {category: i for i, category in enumerate(self.categories)}
        other = len(self.categories)
        place[None] = other + 1
        features = np.zeros((len(column), self.size), dtype=np.float32)
        features[np.arange(len(column)), [place.get(label, other) for label in column]] = 1.0
        return features


def fit_category(labels: Sequence[str | None], *, limit: int = 64) -> CategoryMap:
    """The map over the ``limit`` most frequent labels, in the order of their names."""
    counts = Counter(label for label in labels if label is not None)
    frequent = sorted(counts, key=lambda label: (-counts[label], label))[:limit]
    return CategoryMap(tuple(sorted(frequent)))
