"""How far two answers to one prompt are apart, by the log-probabilities of their tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.base import Array


@dataclass(frozen=True, slots=True)
class Position:
    """A token of an answer; ``best`` are log-probabilities in nats of tokens that might stand there, its own too."""

    token: str
    best: Mapping[str, float]


def shifts(before: Sequence[Position], now: Sequence[Position]) -> Array:
    """The distance in nats at each position with the same tokens before it, ``(k,)``.

    The first is one in any case; where answers part, the position still follows the same text, and is the last that
    does.
    """
    found = []
    for old, new in zip(before, now, strict=False):
        found.append(distance(old.best, new.best))
        if old.token != new.token:
            break
    return np.array(found)


def distance(before: Mapping[str, float], now: Mapping[str, float]) -> float:
    """The mean change over the tokens of either list, in nats.

    A token that one list lacks was at most as likely there as its last: the change is at least the gap to that.

    >>> round(distance({"a": -0.1, "b": -3.0}, {"a": -0.2, "c": -2.0}), 3)
    0.367
    """
    if not before or not now:
        return 0.0
    least_before, least_now = min(before.values()), min(now.values())
    changes = [
        abs(before[token] - now[token])
        if token in before and token in now
        else max(0.0, before[token] - least_now if token in before else now[token] - least_before)
        for token in before.keys() | now.keys()
    ]
    return float(np.mean(changes))
