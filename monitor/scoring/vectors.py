"""Embeddings of a batch: those the traces carry where they fit, the encoder's for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.model.decoded import Decoded
from monitor.ports import Embedder

Rows = NDArray[np.float32]
FLOAT16_MAX = 65504.0


def space_of(name: str, dimension: int, fingerprint: str | None = None) -> str:
    """What embeddings must share to be compared: the model that made them, its dimension, and how it was run."""
    return f"{name}/{dimension}" + (f"/{fingerprint}" if fingerprint else "")


def carried(traces: Sequence[Decoded], target: str, name: str, dimension: int) -> Rows:
    """``(n, dimension)`` of the vectors that traces carry for a target; NaN where there is none that fits."""
    missing = np.full(dimension, np.nan, np.float32)
    rows = [
        vector.values if vector is not None and vector.fits(name, dimension) else missing
        for vector in (item.vectors.get(target) for item in traces)
    ]
    found = np.concatenate([*rows, missing[:0]]).reshape(len(traces), dimension)
    # As they are stored, so that live and stored traces agree; beyond it, features are no numbers any more.
    return np.clip(found, -FLOAT16_MAX, FLOAT16_MAX, out=found)


def encoded(rows: Rows, texts: Sequence[str], embedder: Embedder) -> Rows:
    """The same rows with the missing ones encoded from their texts; an empty text stays missing."""
    places = [place for place in np.flatnonzero(np.isnan(rows[:, 0])).tolist() if texts[place].strip()]
    if places:
        rows[places] = embedder.encode([texts[place] for place in places])
    return rows


def vector_columns(
    traces: Sequence[Decoded], texts: Mapping[str, Sequence[str]], name: str, dimension: int, embedder: Embedder | None
) -> dict[str, Rows]:
    """The columns ``prompt.embedding``, ``response.embedding`` and ``relation`` (both side by side)."""
    both = []
    for target in ("prompt", "response"):
        rows = carried(traces, target, name, dimension)
        both.append(rows if embedder is None else encoded(rows, texts[target], embedder))
    return {"prompt.embedding": both[0], "response.embedding": both[1], "relation": np.hstack(both)}
