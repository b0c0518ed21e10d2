"""Draws that the graph's head can't make: among the most probable tokens alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nucleus(logprobs: NDArray[np.float32], temperature: float, top_p: float, uniform: float) -> int:
    """A token drawn among the fewest most probable ones whose mass is at least ``top_p``.

    Nucleus sampling of Holtzman et al., The Curious Case of Neural Text Degeneration (1904.09751), section 3.1.

    >>> logprobs = np.log(np.array([0.1, 0.6, 0.3], np.float32))
    >>> [nucleus(logprobs, 1.0, 0.7, uniform) for uniform in (0.0, 0.66, 0.67, 0.99)]
    [1, 1, 2, 2]
    """
    scaled = logprobs.astype(np.float64) / temperature
    share = np.exp(scaled - scaled.max())
    share /= share.sum()
    order = np.argsort(-share, kind="stable")
    summed = np.cumsum(share[order])
    count = int(np.searchsorted(summed, top_p)) + 1
    summed = summed[:count]
    return int(order[min(np.searchsorted(summed, uniform * summed[-1], side="right"), len(summed) - 1)])
