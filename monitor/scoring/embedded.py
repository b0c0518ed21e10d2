"""The score `grounding.embedding`: sentences of an answer beside those of its context, by the vectors of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.nearness import nearness
from detectors.score import Score, insufficient
from detectors.sentences import split
from detectors.stems import WORD
from monitor.ports import Embedder

# Of answer and context together: a text costs an encoder about ten milliseconds.
SENTENCES = 200


@dataclass(frozen=True, slots=True)
class Nearness:
    """Checks one answer at a time, so that it scores the same bits alone and in a batch."""

    embedder: Embedder

    def __call__(self, answer: str, passages: Sequence[str]) -> Score:
        own = split(answer)
        held = [passage[start:end] for passage in passages for start, end in split(passage)]
        if not own:
            return insufficient("empty answer")
        if not held:
            return insufficient("no context")
        if (count := len(own) + len(held)) > SENTENCES:
            return insufficient(f"expected at most {SENTENCES} sentences of answer and context, got {count}")
        texts = [answer[start:end] for start, end in own]
        vectors = self.embedder.encode([*texts, *held])
        words = np.array([max(1, len(WORD.findall(text))) for text in texts], float)
        return nearness(vectors[: len(own)], vectors[len(own) :], spans=own, words=words)
