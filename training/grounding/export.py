"""A head of PyTorch as one that numpy runs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from detectors.head import Head
from training.grounding.network import Floats, Trained


def to_numpy(trained: Trained) -> Head:
    """The same numbers, matrices turned to (in, out)."""
    return Head(trained.mean, trained.scale, dict(_weights(trained)))


def _weights(trained: Trained) -> Iterator[tuple[str, Floats]]:
    for name, value in trained.head.state_dict().items():
        found = value.numpy().astype(np.float32)
        layer, _, kind = name.rpartition(".")
        plain = layer.replace("convolutions", "convolution")
        if kind == "bias":
            yield f"{plain}.bias", found
        elif found.ndim == 3:  # (out, in, taps) to (taps · in, out)
            yield plain, np.ascontiguousarray(found.transpose(2, 1, 0).reshape(-1, found.shape[0]))
        elif plain == "embedding":
            yield plain, found
        else:
            yield plain, np.ascontiguousarray(found.T)
