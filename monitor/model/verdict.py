"""The verdict: what a pane says of one signal of one segment against its reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from detectors.effect import Effect
from monitor.model.segment import Segment

ReferenceKind = Literal["golden", "lagged"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One (segment, signal) at the end of one pane of n traces.

    ``log_e`` is the log of the e-CUSUM, ``log_threshold`` what it alarms at; ``onset`` is the start of the first pane
    of the excursion that is under way; ``shares`` tells which sub-segments carry a drift (they add to 1 over a label).
    ``reference`` is what the pane was compared with: the baseline's own, or the traffic of some days before.
    """

    segment: Segment
    signal: str
    baseline: int
    pane: datetime
    n: float
    effect: Effect
    log_e: float
    log_threshold: float
    drifted: bool
    onset: datetime | None
    shares: Mapping[str, float]
    reference: ReferenceKind = "golden"
