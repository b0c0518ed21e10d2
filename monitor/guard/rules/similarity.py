"""Texts that mean nearly what an example does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.score import Score, ok
from monitor.guard.policy import BySimilarity
from monitor.ports import Embedder


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """The largest cosine of a text's embedding with those of the examples ``(n, d)``, below 0 taken as 0.

    A text of more than ``characters`` has an embedding for each of its ends.
    """

    embedder: Embedder
    examples: NDArray[np.float32]
    characters: int

    @classmethod
    def load(cls, embedder: Embedder, check: BySimilarity) -> Similarity:
        return cls(embedder, embedder.encode(check.examples), check.characters)

    def __call__(self, text: str) -> Score:
        nearest = float((self.embedder.encode(ends(text, self.characters)) @ self.examples.T).max())
        return ok(min(max(nearest, 0.0), 1.0))


def ends(text: str, most: int) -> list[str]:
    """A text, or its two ends where it has more than so many characters.

    >>> ends("one two", 8), ends("one two three four", 8)
    (['one two'], ['one ', 'four'])
    """
    half = max(most // 2, 1)
    return [text] if len(text) <= most else [text[:half], text[-half:]]
