"""The traces that show a change best, each beside the most similar prompt from before."""

from __future__ import annotations

import numpy as np

from detectors.base import Array, Features
from detectors.topics import unit
from monitor.model.baseline import Baseline
from monitor.model.diagnosis import Case, Example
from monitor.model.scored import Scored
from monitor.model.texts import prompt_of, response_of

EXAMPLES = 5


def features_of(scored: Scored, baseline: Baseline, signal: str) -> Features:
    """The tested features of a signal ``(n, t)``."""
    feature_map = baseline.stack.maps[signal]
    column = scored.columns.get(signal)
    features = np.tile(feature_map.missing, (len(scored), 1)) if column is None else feature_map.apply(column)
    kept: Features = features[:, : feature_map.tested]
    return kept


def examples(case: Case, signal: str) -> list[Example]:
    """The farthest traces after along the signal's direction, ``⟨g, φ(x) − μ⟩``, no exchange twice."""
    reference = case.baseline.references[case.drifting[0].segment][signal]
    direction = case.directions[signal][: reference.tested]
    before, after = (
        (features_of(scored, case.baseline, signal) - reference.mean[: reference.tested]) @ direction
        for scored in (case.before, case.after)
    )
    spread = float(before.std()) or 1.0
    found = []
    for place in farthest(case.after, after):
        twin = counterpart(case, place)
        found.append(
            Example(
                trace=case.after.traces[place].trace,
                place=float(after[place]) / spread,
                counterpart=None if twin is None else case.before.traces[twin].trace,
                counterpart_place=None if twin is None else float(before[twin]) / spread,
            )
        )
    return found


def farthest(after: Scored, places: Array) -> list[int]:
    """The rows of the largest places, those with the same prompt and answer as a farther one left out."""
    chosen: dict[tuple[str, str], int] = {}
    for row in np.argsort(-places, kind="stable").tolist():
        if len(chosen) == EXAMPLES or places[row] <= 0:
            break
        trace = after.traces[row].trace
        chosen.setdefault((prompt_of(trace), response_of(trace)), row)
    return list(chosen.values())


def counterpart(case: Case, row: int) -> int | None:
    """The trace before with the most similar prompt: by embedding, else one with the same text, else none."""
    first, second = (scored.columns.get("prompt.embedding") for scored in (case.before, case.after))
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray) and np.isfinite(second[row]).all():
        known = np.flatnonzero(np.isfinite(first).all(axis=1))
        if len(known):
            return int(known[(unit(first[known]) @ unit(second[row : row + 1])[0]).argmax()])
    text = prompt_of(case.after.traces[row].trace)
    return next((place for place, item in enumerate(case.before.traces) if prompt_of(item.trace) == text), None)
