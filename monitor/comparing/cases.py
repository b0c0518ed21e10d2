"""Traces that show a change best, each beside the trace of the other side that was asked the most similar thing."""

from __future__ import annotations

import numpy as np

from detectors.base import Array
from monitor.comparing.signals import Measured
from monitor.model.comparison import Exchange, Given, Pair
from monitor.model.scored import Scored
from monitor.model.signal import UNITS
from monitor.model.texts import prompt_of, response_of

PAIRS = 3
TEXT = 600  # characters


def pairs(found: Measured, before: Given, now: Given) -> list[Pair]:
    """The traces of the second side farthest along the change, no exchange twice."""
    shown = []
    for place in farthest(now.scored, found.place_now):
        twin = counterpart(before.scored, now.scored, place, found.place_before)
        shown.append(
            Pair(
                exchange(now, place, found.finding.signal),
                None if twin is None else exchange(before, twin, found.finding.signal),
            )
        )
    return shown


def farthest(side: Scored, places: Array) -> list[int]:
    """The rows with the largest places; of the same prompt and answer, one."""
    chosen: dict[tuple[str, str], int] = {}
    for row in np.argsort(-places, kind="stable").tolist():  # NaN is last
        if len(chosen) == PAIRS or np.isnan(places[row]):
            break
        trace = side.traces[row].trace
        chosen.setdefault((prompt_of(trace), response_of(trace)), row)
    return list(chosen.values())


def counterpart(before: Scored, now: Scored, row: int, places: Array) -> int | None:
    """The trace before with the most similar prompt: by embedding, else one with the same text, else a middling one."""
    first, second = (side.columns.get("prompt.embedding") for side in (before, now))
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray) and np.isfinite(second[row]).all():
        known = np.flatnonzero(np.isfinite(first).all(axis=1))
        if len(known):
            lengths = np.maximum(np.linalg.norm(first[known], axis=1), 1e-12)
            return int(known[(first[known] @ second[row] / lengths).argmax()])
    text = prompt_of(now.traces[row].trace)
    same = next((place for place, item in enumerate(before.traces) if prompt_of(item.trace) == text), None)
    if same is not None or not np.isfinite(places).any():
        return same
    return int(np.nanargmin(np.abs(places - np.nanmedian(places))))


def exchange(side: Given, row: int, signal: str) -> Exchange:
    """A trace with the signal's value, its texts cut."""
    trace = side.scored.traces[row].trace
    return Exchange(
        trace.id,
        trace.time if side.timed else None,
        shortened(prompt_of(trace)),
        shortened(response_of(trace)),
        shown(side.scored, row, signal),
    )


def shown(side: Scored, row: int, signal: str) -> str:
    """The signal's value as a person reads it; nothing for vectors."""
    column = side.columns[signal]
    if not isinstance(column, np.ndarray):
        return column[row] or "(none)"
    if column.ndim > 1:
        return ""
    return "(none)" if np.isnan(column[row]) else f"{float(column[row]):.4g} {UNITS[signal]}".strip()


def shortened(text: str) -> str:
    return text if len(text) <= TEXT else f"{text[:TEXT]} …"
