"""The seeded decoder in numpy, float32 throughout, over a whole text at once: no cache, no batch, no ONNX."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.inference.decoder.seeded import EPSILON, Shape, Weights, rotations

Array = NDArray[np.float32]


def logits(ids: list[int], shape: Shape, weights: Weights) -> Array:
    """``(t, v)``: after each token of a text."""
    count = len(ids)
    cosine, sine = (table[:count] for table in rotations(shape))
    x = weights["embedding"][ids]
    for layer in range(shape.layers):
        y = normed(x, weights[f"{layer}.norm"])
        q = turned((y @ weights[f"{layer}.q"]).reshape(count, shape.heads, -1), cosine, sine)
        k = turned((y @ weights[f"{layer}.k"]).reshape(count, shape.kv_heads, -1), cosine, sine)
        v = (y @ weights[f"{layer}.v"]).reshape(count, shape.kv_heads, -1)
        k, v = (np.repeat(each, shape.heads // shape.kv_heads, axis=1) for each in (k, v))
        scores = np.einsum("qhd,khd->hqk", q, k) / np.float32(np.sqrt(shape.head))
        scores = np.where(np.tri(count, dtype=bool), scores, np.float32(-1e30))
        share = np.exp(scores - scores.max(-1, keepdims=True))
        share /= share.sum(-1, keepdims=True)
        x = x + np.einsum("hqk,khd->qhd", share, v).reshape(count, -1) @ weights[f"{layer}.o"]
        y = normed(x, weights[f"{layer}.norm2"])
        gate = y @ weights[f"{layer}.gate"]
        x = x + (gate / (1 + np.exp(-gate)) * (y @ weights[f"{layer}.up"])) @ weights[f"{layer}.down"]
    found: Array = normed(x, weights["norm"]) @ weights["head"]
    return found


def logprobs(ids: list[int], shape: Shape, weights: Weights) -> Array:
    found = logits(ids, shape, weights)
    found = found - found.max(-1, keepdims=True)
    return found - np.log(np.exp(found).sum(-1, keepdims=True))


def normed(x: Array, weight: Array) -> Array:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(EPSILON)) * weight


def turned(x: Array, cosine: Array, sine: Array) -> Array:
    half = x.shape[-1] // 2
    low, high = x[..., :half], x[..., half:]
    cosine, sine = cosine[:, None], sine[:, None]
    return np.concatenate([low * cosine - high * sine, high * cosine + low * sine], axis=-1)
