"""Signals: the named per-trace quantities that are watched for drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitor.model.scores import NAMES

Kind = Literal["scalar", "category", "vector", "relation"]
Column = NDArray[np.floating] | Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Signal:
    """A per-trace quantity; ``unit`` is for people."""

    name: str
    kind: Kind
    unit: str


SIGNALS: tuple[Signal, ...] = (
    Signal("prompt.characters", "scalar", "characters"),
    Signal("prompt.tokens", "scalar", "tokens"),
    Signal("response.characters", "scalar", "characters"),
    Signal("response.tokens", "scalar", "tokens"),
    Signal("latency", "scalar", "seconds"),
    Signal("time_to_first_token", "scalar", "seconds"),
    Signal("finish_reason", "category", ""),
    Signal("status", "category", ""),
    Signal("guard.verdict", "category", ""),
    Signal("response.language", "category", ""),
    *(Signal(name, "scalar", "score 0-1") for name in NAMES),
    Signal("prompt.embedding", "vector", ""),
    Signal("response.embedding", "vector", ""),
    Signal("relation", "relation", ""),
)

KINDS: Mapping[str, Kind] = {signal.name: signal.kind for signal in SIGNALS}
UNITS: Mapping[str, str] = {signal.name: signal.unit for signal in SIGNALS}
