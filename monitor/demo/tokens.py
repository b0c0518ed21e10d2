"""Tokens of the demo's texts and how surprising each was to the build that wrote it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from monitor.demo.answers import Manner, Piece
from monitor.model.trace import Logprobs

VOCABULARY = 32_000
TOKEN = re.compile(r" ?\w{1,6}|.", re.DOTALL)

# Mean nats per token of a healthy build: next to none where a passage is copied, much where a name is made up.
NATS: Mapping[Manner, float] = MappingProxyType({"copied": 0.08, "said": 0.35, "invented": 1.6, "repeated": 0.15})
# The first token of a made-up sentence is where a build is most at a loss.
ONSET_NATS = 2.0


def tokens_of(text: str) -> list[str]:
    """Pieces of at most six letters with the blank before them; joined they are the text.

    >>> tokens_of("Nothing else.")
    ['Nothin', 'g', ' else', '.']
    """
    return TOKEN.findall(text)


def token_id(token: str) -> int:
    return zlib.crc32(token.encode()) % VOCABULARY


def written(rng: np.random.Generator, pieces: Sequence[Piece], factor: float, limit: int) -> Logprobs:
    """The tokens of the pieces, ``limit`` at most, with gamma-distributed surprisal, ``factor`` times the usual."""
    tokens: list[str] = []
    means: list[float] = []
    for piece in pieces:
        own = tokens_of(piece.text)
        tokens += own
        means += [NATS[piece.manner]] * len(own)
        if piece.manner == "invented":
            means[-len(own)] += ONSET_NATS
    tokens = tokens[:limit]
    shape = 0.5  # most tokens are nearly certain, a few are not
    nats = rng.gamma(shape, factor * np.array(means[:limit]) / shape)
    return Logprobs(token_ids=[token_id(token) for token in tokens], tokens=tokens, logprob=(-nats).round(4).tolist())
