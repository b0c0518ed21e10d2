"""A trace as it was read, with what is stored of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.model.record import Record
from monitor.model.trace import Trace


@dataclass(frozen=True, slots=True)
class Vector:
    """An embedding and the model that made it; vectors of different models are never compared."""

    model: str
    revision: str | None
    values: NDArray[np.float32]

    def fits(self, model: str, dimension: int) -> bool:
        return self.model == model and len(self.values) == dimension


@dataclass(frozen=True, slots=True)
class Decoded:
    """A trace, the body that is stored (the record without its vectors), and the vectors by target.

    The vectors of a batch are unpacked together, and put here when its traces are known.
    """

    record: Record
    trace: Trace
    body: bytes
    vectors: dict[str, Vector]
