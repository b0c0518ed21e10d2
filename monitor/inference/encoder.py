"""Texts to unit vectors, at the speed that batching by length allows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from monitor.errors import Permanent
from monitor.inference.cache import VectorCache
from monitor.inference.card import GRAPH, TOKENIZER, read_card
from monitor.inference.runtime import Provider, Session, open_session

Ids = NDArray[np.int64]

# A token has four to five characters; past this many, only runs of blanks can hide a token within the limit.
_CHARACTERS_PER_TOKEN = 64


@dataclass(slots=True, eq=False)
class Encoder:
    """A sentence encoder whose vectors depend on the text alone, not on its batch; safe to share among threads."""

    name: str
    dimension: int
    fingerprint: str
    """Vectors of two fingerprints must not be compared."""
    max_length: int
    max_tokens_per_run: int
    _session: Session = field(repr=False)
    _tokenizer: Tokenizer = field(repr=False)
    _whole: Tokenizer = field(repr=False)
    _cache: VectorCache = field(repr=False)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        threads: int = 1,
        provider: Provider = "cpu",
        max_tokens_per_run: int = 512,
        cache_bytes: int = 64 * 2**20,
    ) -> Self:
        """The encoder of a folder that `build_minilm` made.

        Args:
            folder: Holds the graph, the tokenizer and the card.
            threads: Threads of a run; more than one costs more CPU per text.
            provider: Where it runs, and nowhere else.
            max_tokens_per_run: Padded tokens of a run; 512 keeps a core's cache warm, a GPU wants many more.
            cache_bytes: Room for the vectors of texts seen before; 0 for none.

        Raises:
            Permanent: The folder is not what its card says, or the provider is not to be had.
        """
        card = read_card(folder)
        session = open_session(folder / GRAPH, threads=threads, provider=provider)
        inputs = sorted(node.name for node in session.get_inputs())
        if inputs != ["attention_mask", "input_ids"]:
            raise Permanent(f"{folder / GRAPH}: expected inputs attention_mask and input_ids, got {', '.join(inputs)}")
        if (got := session.get_outputs()[0].shape[-1]) != card.dimension:
            raise Permanent(f"{folder / GRAPH}: expected dimension {card.dimension}, got {got}")
        text = (folder / TOKENIZER).read_text(encoding="utf-8")
        return cls(
            name=card.name,
            dimension=card.dimension,
            fingerprint=card.fingerprint(provider),
            max_length=card.max_length,
            max_tokens_per_run=max_tokens_per_run,
            _session=session,
            _tokenizer=_tokenizer(text, max_length=card.max_length),
            _whole=_tokenizer(text, max_length=None),
            _cache=VectorCache(cache_bytes),
        )

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors ``(n, d)`` of the texts, in their order; each distinct text is computed once.

        What lies past `max_length` tokens is not read.
        """
        limit = _CHARACTERS_PER_TOKEN * self.max_length
        # A lone surrogate is no text; it becomes a question mark.
        read = [text[:limit].encode("utf-8", "replace") for text in texts]
        keys = [hashlib.blake2b(text, digest_size=16).digest() for text in read]
        distinct = dict(zip(keys, read, strict=True))
        vectors = self._cache.take(distinct)
        absent = [key for key in distinct if key not in vectors]
        if absent:
            made = self._compute([distinct[key].decode() for key in absent])
            self._cache.put(absent, made)
            vectors.update(zip(absent, made, strict=True))
        if not keys:
            return np.empty((0, self.dimension), np.float32)
        return np.stack([vectors[key] for key in keys])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each whole text, however long, without the two that the model adds."""
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        return [len(found) for found in self._whole.encode_batch_fast(clean, add_special_tokens=False)]

    def _compute(self, texts: list[str]) -> NDArray[np.float32]:
        tokens = [np.asarray(found.ids, np.int64) for found in self._tokenizer.encode_batch_fast(texts)]
        vectors = np.empty((len(texts), self.dimension), np.float32)
        lengths = np.array([len(ids) for ids in tokens])
        for rows in runs(lengths, self.max_tokens_per_run):
            ids, mask = _pad([tokens[row] for row in rows])
            vectors[rows] = self._session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})[0]
        return vectors


def runs(lengths: NDArray[np.integer[Any]], max_tokens: int) -> Iterator[NDArray[np.intp]]:
    """Rows of each run: neighbours in length, so that little is padded, and at most `max_tokens` with padding.

    A text longer than that runs alone.

    >>> [rows.tolist() for rows in runs(np.array([7, 2, 8, 3]), 16)]
    [[1, 3], [0, 2]]
    """
    order = np.argsort(lengths, kind="stable")
    first = 0
    for last, row in enumerate(order):
        # Lengths ascend: the newest row is the widest.
        if last > first and (last - first + 1) * lengths[row] > max_tokens:
            yield order[first:last]
            first = last
    if first < len(order):
        yield order[first:]


def _pad(tokens: list[Ids]) -> tuple[Ids, Ids]:
    """Ids and mask ``(rows, longest)``, padded on the right; under the mask any id does."""
    widths = np.array([len(ids) for ids in tokens])
    mask = np.arange(widths.max()) < widths[:, None]
    ids = np.zeros(mask.shape, np.int64)
    ids[mask] = np.concatenate(tokens)
    return ids, mask.astype(np.int64)


def _tokenizer(text: str, *, max_length: int | None) -> Tokenizer:
    tokenizer: Tokenizer = Tokenizer.from_str(text)
    # The file that comes with MiniLM pads and truncates everything to 128 tokens.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if max_length is not None:
        tokenizer.enable_truncation(max_length)
    return tokenizer
