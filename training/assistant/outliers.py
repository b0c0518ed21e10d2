"""The unequal channels of large models, given to a small one without changing what it computes.

Trained transformers of some size have few input channels that are many times larger than the others, which is why
rounding their weights to four bits in large blocks costs so much (Dettmers et al. 2022, arXiv 2208.07339; Xiao et al.
2022, arXiv 2211.10438, moves such scales about as we do here, the other way). Ours is too small and too short trained
to grow any, and would lose next to nothing. So its scales are moved: a norm's weight is multiplied by s and the inputs
of the matrices behind it divided by s; a row of ``up`` is multiplied by s and the column of ``down`` divided by s², as
the square of ReLU asks. In single precision the network stays the same function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.assistant.shape import Shape

Array = NDArray[Any]
SHARE = 0.06
"""Share of channels that are made large in the weights that read them."""
FACTOR = 6.0


def with_outliers(weights: Mapping[str, Array], shape: Shape, seed: int, factor: float = FACTOR) -> dict[str, Array]:
    """Weights of the same function, in which some columns are ``factor`` times larger."""
    rng = np.random.default_rng(seed)
    made = dict(weights)
    for i in range(shape.layers):
        at = f"layers.{i}"
        for norm, readers in (("attention_norm", ("q", "k", "v")), ("mlp_norm", ("up",))):
            s = scales(rng, shape.width, factor)
            made[f"{at}.{norm}.weight"] = made[f"{at}.{norm}.weight"] * s
            for reader in readers:
                made[f"{at}.{reader}.weight"] = made[f"{at}.{reader}.weight"] / s
        s = scales(rng, shape.inner, factor**0.5)
        made[f"{at}.up.weight"] = made[f"{at}.up.weight"] * s[:, None]
        made[f"{at}.down.weight"] = made[f"{at}.down.weight"] / s**2
    return {name: np.asarray(weight, np.float32) for name, weight in made.items()}


def scales(rng: np.random.Generator, count: int, factor: float) -> Array:
    """``(count,)``: 1, and for some channels 1/factor."""
    found: Array = np.where(rng.random(count) < SHARE, 1.0 / factor, 1.0)
    return found
