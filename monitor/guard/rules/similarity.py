"""Texts that mean nearly what an example does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.score import Score, ok
from monitor.ports import Embedder


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """The largest cosine of a text's embedding with those of the examples ``(n, d)``, below 0 taken as 0."""

    embedder: Embedder
    examples: NDArray[np.float32]

    @classmethod
    def load(cls, embedder: Embedder, examples: Sequence[str]) -> Similarity:
        return cls(embedder, embedder.encode(examples))

    def __call__(self, text: str) -> Score:
        (vector,) = self.embedder.encode([text])
        return ok(min(max(float((self.examples @ vector).max()), 0.0), 1.0))
