"""Our engine, as the benchmarks see it: fit, fold, and the evidence after every pane. Only here is it imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.drift.laws import Kind
from benchmarks.drift.streams import Block
from benchmarks.drift.traffic import Array
from detectors.base import FeatureMap, Sum
from detectors.reference import Reference, fit_references, fit_stack
from detectors.sequential import advance, start
from detectors.stack import Stack

Pane = Sum

# So far beyond any threshold that no monitor ever reports, and each path serves every threshold below.
_NEVER = 1e30


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What is kept of a reference."""

    kind: Kind
    stack: Stack
    reference: Reference

    @property
    def feature_map(self) -> FeatureMap:
        """Of the one signal."""
        return self.stack.maps["x"]


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A monitor that starts afresh, and the panes that it will see."""

    fitted: Fitted
    panes: Sequence[Pane]


def fit(reference: Block, kind: Kind, *, pane: int, seed: int) -> Fitted:
    """The reference of one signal, from traces in a row."""
    columns = {"x": _column(reference, kind)}
    panes = np.arange(len(reference)) // pane
    stack, centring = fit_stack(columns, {"x": kind}, seed=seed, panes=panes)
    references = fit_references(stack, stack.apply(columns), centring, panes=panes)
    return Fitted(kind, stack, references["x"])


def fold(fitted: Fitted, traces: Block, *, pane: int) -> list[Pane]:
    """The sums of whole panes of ``pane`` traces; what is left over is dropped."""
    features = fitted.stack.apply({"x": _column(traces, fitted.kind)})
    whole = len(features) // pane
    totals = features[: whole * pane].reshape(whole, pane, -1).sum(axis=1, dtype=np.float64)
    return [Sum(float(pane), total) for total in totals]


def evidence(tasks: Sequence[Task], *, stop: float = np.inf) -> list[Array]:
    """The log evidence after each pane of each task: a threshold A is passed where it first reaches ``log A``.

    A path ends early once it has reached ``stop``.
    """
    return [_path(task, stop) for task in tasks]


def log_threshold(panes: float) -> float:
    """The log evidence at which an alarm is due for one false alarm in so many panes."""
    return float(np.log(panes))


def _path(task: Task, stop: float) -> Array:
    reference, monitor = task.fitted.reference, start(task.fitted.reference)
    path = np.empty(len(task.panes))
    for i, pane in enumerate(task.panes):
        monitor, told = advance(monitor, reference, pane, threshold=_NEVER)
        path[i] = told.log_e
        if told.log_e >= stop:
            return path[: i + 1]
    return path


def _column(traces: Block, kind: Kind) -> object:
    if kind != "category":
        return traces.column
    return [f"c{code}" for code in traces.column.tolist()]
