"""Embeddings that travel with a trace: bytes to rows of numbers, many at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.model.trace import Embedding

Row = NDArray[np.float32]
DTYPES: dict[str, np.dtype[Any]] = {
    "f32le_b64": np.dtype("<f4"),
    "f16le_b64": np.dtype("<f2"),
    "i8_b64": np.dtype("i1"),
}


def rows(embeddings: Sequence[Embedding]) -> list[Row | str]:
    """A float32 row for each embedding, or a sentence that says what is wrong with it."""
    found: list[Row | str] = [""] * len(embeddings)
    kinds: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i, embedding in enumerate(embeddings):
        if len(embedding.data) == embedding.dim * DTYPES[embedding.encoding].itemsize:
            kinds[embedding.encoding, embedding.dim].append(i)
        else:
            found[i] = misfit(embedding)
    for (encoding, dim), places in kinds.items():
        stored = np.frombuffer(b"".join([embeddings[i].data for i in places]), DTYPES[encoding]).reshape(-1, dim)
        # A NaN of a producer, or a scale beyond float32, makes no row; it is not warned of here.
        with np.errstate(invalid="ignore", over="ignore"):
            values = stored.astype(np.float32)
            if encoding == "i8_b64":
                scale = [embeddings[i].scale for i in places]
                values *= np.array([1 / 127 if s is None else s for s in scale], np.float32)[:, None]
        sound: list[bool] = np.isfinite(values).all(axis=1).tolist()  # type: ignore[assignment]
        for place, row, finite in zip(places, values, sound, strict=True):
            found[place] = row if finite else f"embedding {embeddings[place].target}: not finite"
    return found


def misfit(embedding: Embedding) -> str:
    got = len(embedding.data) / DTYPES[embedding.encoding].itemsize
    return f"embedding {embedding.target}: expected dimension {embedding.dim}, got {got:g} {embedding.encoding[:-4]}"


def pack_float16(matrix: NDArray[np.floating]) -> list[bytes | None]:
    """Each row as little-endian float16; None for a row that is missing (NaN)."""
    missing = np.isnan(matrix[:, 0]) if matrix.shape[1] else np.ones(len(matrix), bool)
    data = np.clip(matrix, -65504, 65504).astype("<f2").tobytes()
    width = 2 * matrix.shape[1]
    return [None if lost else data[i * width : (i + 1) * width] for i, lost in enumerate(missing)]


def unpack_float16(packed: Sequence[bytes | None], dimension: int) -> Row:
    """``(n, dimension)`` float32; a missing row, or one of another dimension, is NaN."""
    empty = np.full(dimension, np.nan, "<f2").tobytes()
    data = b"".join([row if row is not None and len(row) == len(empty) else empty for row in packed])
    return np.frombuffer(data, "<f2").reshape(-1, dimension).astype(np.float32)
