"""What is known of words in general: how rare they are, and which say the same or the opposite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Knowledge of stems.

    Attributes:
        documents: how many documents of the training corpus hold each stem.
        total: how many documents there are.
        synonyms: stems of the same or a broader meaning.
        antonyms: stems of the opposite meaning.
    """

    documents: Mapping[str, int]
    total: int
    synonyms: Mapping[str, frozenset[str]]
    antonyms: Mapping[str, frozenset[str]]

    def rarity(self, stem: str) -> float:
        """log((N+1) / (df+1)) / log(N+1): 1 for a stem that no document holds, 0 for one that all hold.

        >>> lexicon = Lexicon({"the": 99, "bridg": 9}, 99, {}, {})
        >>> [lexicon.rarity(stem) for stem in ("the", "bridg", "zygot")]
        [0.0, 0.5, 1.0]
        """
        return log((self.total + 1) / (self.documents.get(stem, 0) + 1)) / log(self.total + 1)
