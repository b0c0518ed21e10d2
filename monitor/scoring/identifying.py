"""What language texts are in, many at a time: the naive Bayes model of py3langid, walked through by columns.

A text at a time costs some 150 µs: the library counts byte n-grams in a loop over the bytes. Here each step of the
automaton is one for all texts, with the same numbers in the end.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

# The languages most written on the web; with all 140 of the model, close kin are confused.
CANDIDATES = (
    "af", "ar", "az", "be", "bg", "bn", "bs", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he",
    "hi", "hr", "hu", "hy", "id", "it", "ja", "ka", "kk", "ko", "lt", "lv", "mk", "ms", "nl", "no", "pl", "pt", "ro",
    "ru", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "zh",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Model:
    """The automaton over bytes and the weights of what it finds.

    Attributes:
        moves: next state by ``256 · row + byte``.
        rows: of each state, 256 times its row.
        features: what is found on entering a state, −1 for nothing.
        weights: log-probabilities ``(features, columns)``.
        priors: ``(columns,)``.
        members: ``(columns, len(CANDIDATES))``, 1 where a column is of a language: Serbian has two, one per script.
    """

    moves: NDArray[np.uint32]
    rows: NDArray[np.uint32]
    features: NDArray[np.int32]
    weights: NDArray[np.float32]
    priors: NDArray[np.float32]
    members: NDArray[np.float32]


@lru_cache(maxsize=1)
def model() -> Model:
    """Read once, when the first text needs it (two seconds)."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415

    found = LanguageIdentifier.from_model_file(MODEL_FILE)
    found.set_languages(CANDIDATES)
    return Model(
        np.asarray(found.tk_nextmove, np.uint32),
        np.asarray(found.tk_row, np.uint32) * np.uint32(256),
        np.asarray(found.tk_output, np.int32),
        np.ascontiguousarray(found.nb_ptc, np.float32),
        np.asarray(found.nb_pc, np.float32),
        np.array([[column == language for language in CANDIDATES] for column in found.nb_classes], np.float32),
    )


def identify(texts: Sequence[str]) -> NDArray[np.float64]:
    """The probabilities ``(n, len(CANDIDATES))`` of each text's language; equal columns where nothing is known."""
    known = model()
    encoded = [encode(text) for text in texts]
    counts = count(known, encoded)
    counts.data = np.log1p(counts.data)
    nothing = np.diff(counts.indptr) == 0
    scores = np.where(nothing[:, None], 0.0, counts @ known.weights + known.priors)
    # The root keeps long texts from being told with certainty, as the library has it.
    scores /= np.sqrt([len(each) or 1 for each in encoded])[:, None]
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray((shares / shares.sum(axis=1, keepdims=True)) @ known.members)


def encode(text: str) -> bytes:
    composed = unicodedata.normalize("NFC", text.lower() if text.isupper() else text)
    return composed.encode("utf-8", "surrogatepass")


def count(known: Model, encoded: Sequence[bytes]) -> sparse.csr_array:
    """How often each text has each feature, ``(n, features)``."""
    sizes = np.array([len(each) for each in encoded], np.intp)
    width = int(sizes.max(initial=0))
    grid = np.frombuffer(b"".join(each.ljust(width, b"\0") for each in encoded), np.uint8).reshape(len(encoded), width)
    visits = np.empty((width, len(encoded)), np.int32)
    state = np.zeros(len(encoded), np.uint32)
    for step in range(width):
        state = known.moves[known.rows[state] + grid[:, step]]
        visits[step] = known.features[state]
    visits[np.arange(width)[:, None] >= sizes] = -1
    of_all = len(known.weights)
    keys = visits + of_all * np.arange(len(encoded))
    found, counts = np.unique(keys[visits >= 0], return_counts=True)
    ends = np.searchsorted(found, of_all * np.arange(len(encoded) + 1))
    return sparse.csr_array((counts.astype(np.float32), found % of_all, ends), shape=(len(encoded), of_all))
