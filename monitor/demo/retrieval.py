"""Which help pages may hold the answer: those whose meaning is nearest to the question's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.base import Features
from monitor.demo.knowledge import Passage
from monitor.inference.encoder import Encoder
from monitor.model.trace import Document

FOUND = 3


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """Pages and their unit vectors, ``(pages, d)``; may be asked by many threads."""

    pages: tuple[Passage, ...]
    vectors: Features
    encoder: Encoder

    @staticmethod
    def of(pages: tuple[Passage, ...], encoder: Encoder) -> Library:
        return Library(pages, encoder.encode([page.text for page in pages]), encoder)

    def search(self, question: str) -> list[Document]:
        """The nearest pages, the best first, each with its cosine."""
        (vector,) = self.encoder.encode([question])
        scores = self.vectors @ vector
        best = np.argsort(-scores)[:FOUND]
        return [
            Document(
                id=self.pages[i].id, text=self.pages[i].text, score=round(float(scores[i]), 4), rank=rank,
                source_uri=f"help://orrelbox/{self.pages[i].id}",
            )
            for rank, i in enumerate(best.tolist(), 1)
        ]  # fmt: skip
