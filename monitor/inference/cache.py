"""The vectors of the texts seen last, within a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

# A key of 16 bytes, the array's header and the map's node, as `tracemalloc` counts them.
_ENTRY_BYTES = 400


class VectorCache:
    """Least recently used vectors by key; many threads may share it."""

    __slots__ = ("_limit", "_lock", "_vectors", "used_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._vectors: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()
        self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._vectors)

    def take(self, keys: Iterable[bytes]) -> dict[bytes, NDArray[np.float32]]:
        """The vectors that are here, now the most recently used."""
        found = {}
        with self._lock:
            for key in keys:
                vector = self._vectors.get(key)
                if vector is not None:
                    self._vectors.move_to_end(key)
                    found[key] = vector
        return found

    def put(self, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        """Keep row i of `vectors` under key i and drop the oldest until all fit."""
        cost = vectors.shape[1] * vectors.itemsize + _ENTRY_BYTES
        # Of a batch larger than the cache, only the end would survive: do not copy the rest.
        fitting = min(len(keys), self._limit // cost)
        with self._lock:
            for key, vector in zip(keys[len(keys) - fitting :], vectors[len(keys) - fitting :], strict=True):
                if key not in self._vectors:
                    self.used_bytes += cost
                # A copy: a view would keep the whole batch alive.
                self._vectors[key] = vector.copy()
                self._vectors.move_to_end(key)
            while self.used_bytes > self._limit:
                self._vectors.popitem(last=False)
                self.used_bytes -= cost
