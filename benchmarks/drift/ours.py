"""Our engine, as the benchmarks see it: fit, fold, and the evidence after every pane. Only here is it imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from benchmarks.drift.laws import Kind
from benchmarks.drift.streams import Block
from benchmarks.drift.traffic import Array, Labels
from detectors.base import Sum, summarise
from detectors.budget import threshold, weights
from detectors.reference import Reference, fit_reference, fit_references, fit_stack
from detectors.reference import fit as fit_signals
from detectors.replay import Replay, calibrate
from detectors.ruler import difference, fit_reference_ruler, noise_of
from detectors.sequential import Bank, Memory, advance, bank, start
from detectors.stack import Stack, summarise_groups
from detectors.twosample import compare_categories, compare_scalars

# As they stand in the tables.
ENGINE = "ours"
WINDOW_TEST = "ours, window"

Pane = Sum

# So far beyond any threshold that no monitor ever reports, and each path serves every threshold below.
_NEVER = 1e30
# As an installation makes a baseline.
_REPLAY = Replay(panes=400)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What is kept of a reference.

    Attributes:
        fresh: rows of the reference that shaped no feature map, so that they look like later ones.
    """

    kind: Kind
    stack: Stack
    reference: Reference
    fresh: Labels


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
    features = stack.apply(columns)
    references = fit_references(stack, features, centring, panes=panes)
    own, random = {"x": features[centring["x"]]}, np.random.default_rng(seed)
    within = {"x": panes[centring["x"]]}
    calibrated = calibrate(references, stack, own, pane=pane, random=random, panes=within, replay=_REPLAY)
    return Fitted(kind, stack, calibrated["x"], centring["x"])


def fold(fitted: Fitted, traces: Block, *, pane: int) -> list[Pane]:
    """The sums of whole panes of ``pane`` traces; what is left over is dropped."""
    features = fitted.stack.apply({"x": _column(traces, fitted.kind)})
    whole = len(features) // pane
    totals = features[: whole * pane].reshape(whole, pane, -1).sum(axis=1, dtype=np.float64)
    return [Sum(float(pane), total) for total in totals]


def evidence(tasks: Sequence[Task], *, stop: float = np.inf) -> list[Array]:
    """The log evidence after each pane of each task: a threshold A is passed where it first reaches ``log A``.

    A path ends early once it has reached ``stop``. Tasks with one reference and equally many panes go side by side.
    """
    paths: list[Array] = [np.empty(0) for _ in tasks]
    alike: dict[tuple[int, int], list[int]] = {}
    for place, task in enumerate(tasks):
        alike.setdefault((id(task.fitted), len(task.panes)), []).append(place)
    for places in alike.values():
        for place, path in zip(places, _paths([tasks[place] for place in places], stop), strict=True):
            paths[place] = path
    return paths


def reported(task: Task, log_thresholds: Sequence[float]) -> Labels:
    """After each pane, whether a drift is reported at each threshold, ``(panes, thresholds)``."""
    fitted, count = task.fitted, len(log_thresholds)
    tests = bank(fitted.stack.maps["x"], [fitted.reference]).take(np.zeros(count, dtype=np.int64))
    memory, thresholds = start(tests), np.exp(np.array(log_thresholds))
    told = np.zeros((len(task.panes), count), dtype=bool)
    for i, pane in enumerate(task.panes):
        totals = np.broadcast_to(pane.total[: fitted.reference.tested], (count, fitted.reference.tested))
        memory, evidence = advance(tests, memory, totals, np.full(count, pane.n), thresholds=thresholds)
        told[i] = evidence.drifted
    return told


def window_test(reference: Block, kind: Kind, *, seed: int) -> Callable[[Block], float]:
    """Compares one window with the reference: minus the log p-value that independent traces give."""
    if kind == "vector":
        ruler, before = fit_reference_ruler(np.asarray(reference.column), seed=seed)

        def run(window: Block) -> float:
            features = ruler.apply(np.asarray(window.column))
            return -difference(ruler, before, summarise(features), noise_of(ruler, features[:300])).log_p

        return run
    compare = compare_scalars if kind == "scalar" else compare_categories
    return lambda window: -compare(_column(reference, kind), _column(window, kind)).log_p


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """Every signal of an installation: the maps, and a reference of each."""

    stack: Stack
    references: Mapping[str, Reference]
    tests: Mapping[str, Bank]


def fit_site(columns: Mapping[str, Any], kinds: Mapping[str, Any]) -> Site:
    """From one column per signal."""
    stack, references = fit_signals(columns, kinds, seed=0)
    return Site(stack, references, {name: bank(stack.maps[name], [found]) for name, found in references.items()})


def fold_site(site: Site, columns: Mapping[str, Any], groups: Labels, rows: Labels, *, segments: int) -> list[Sum]:
    """The sum of each segment: ``rows`` of the columns are in ``groups``, both ``(m,)``."""
    return summarise_groups(site.stack.apply(columns), groups, segments, rows=rows)


def judge_site(site: Site, monitors: Mapping[str, Any], pane: Sum) -> dict[str, Any]:
    """The memories of one segment after a pane; those of no signal yet have seen nothing."""
    slices, n, thresholds = site.stack.slices(), np.array([pane.n]), np.array([1e4])
    moved = {}
    for name, test in site.tests.items():
        totals = pane[slices[name]].total[None, : site.references[name].tested]
        moved[name] = advance(test, monitors.get(name) or start(test), totals, n, thresholds=thresholds)[0]
    return moved


class Fleet:
    """The monitors of one signal in every segment, judged side by side."""

    def __init__(self, tests: Bank, pool: Array) -> None:
        self.tests, self.pool, self.memory = tests, pool, start(tests)

    def advance(self, panes: Labels, traces: int, log_threshold: float) -> Labels:
        """Fold a pane of the pool into each monitor; which drift then, ``(m,)``."""
        n, thresholds = np.full(len(panes), float(traces)), np.full(len(panes), np.exp(log_threshold))
        self.memory, told = advance(self.tests, self.memory, self.pool[panes], n, thresholds=thresholds)
        return told.drifted


def fit_fleet(whole: Block, parts: Sequence[Block], stream: Block, kind: Kind, *, pane: int) -> Fleet:
    """Maps and calibration come of all traffic, a reference of each part; ``stream`` is cut into the pool of panes."""
    fitted = fit(whole, kind, pane=pane, seed=0)
    stack, made = fitted.stack, fitted.stack.maps["x"]
    references = []
    for part in parts:
        own = fit_reference(stack.apply({"x": _column(part, kind)}), made)
        references.append(replace(own, offset=fitted.reference.offset, slope=fitted.reference.slope))
    pool = [total.total[: fitted.reference.tested] for total in fold(fitted, stream, pane=pane)]
    return Fleet(bank(made, references), np.stack(pool))


def fleet_threshold(segments: int, signals: int, *, panes: int, false_alarms: float) -> float:
    """The log evidence at which a monitor of one of many segments alarms beside one of all traffic."""
    counts = {"": signals} | {f"segment={i}": signals for i in range(segments)}
    weight = weights(counts, all_traffic="")["segment=0"]
    return float(np.log(threshold(false_alarms=false_alarms, period_panes=panes, weight=weight)))


def kept_bytes(thing: Any) -> int:
    """Bytes of the arrays and numbers that a state holds."""
    if isinstance(thing, np.ndarray):
        return thing.nbytes
    if is_dataclass(thing):
        return sum(kept_bytes(getattr(thing, field.name)) for field in fields(thing))
    if isinstance(thing, Mapping):
        return sum(kept_bytes(value) for value in thing.values())
    return 0 if thing is None else 8


def log_threshold(panes: float) -> float:
    """The log evidence at which an alarm is due for one false alarm in so many panes."""
    return float(np.log(panes))


def _paths(tasks: Sequence[Task], stop: float) -> list[Array]:
    """The paths of tasks with one reference and equally many panes."""
    fitted, count = tasks[0].fitted, len(tasks)
    tested = fitted.reference.tested
    tests = bank(fitted.stack.maps["x"], [fitted.reference]).take(np.zeros(count, dtype=np.int64))
    memory: Memory = start(tests)
    never = np.full(count, _NEVER)
    told = np.empty((len(tasks[0].panes), count))
    for i in range(len(told)):
        totals = np.stack([task.panes[i].total[:tested] for task in tasks])
        n = np.array([task.panes[i].n for task in tasks])
        memory, evidence = advance(tests, memory, totals, n, thresholds=never)
        told[i] = evidence.log_e
        if (told[: i + 1].max(axis=0) >= stop).all():
            told = told[: i + 1]
            break
    return [_until(path, stop) for path in told.T]


def _until(path: Array, stop: float) -> Array:
    """The path up to where it first reaches ``stop``."""
    reached = path >= stop
    return path[: int(reached.argmax()) + 1] if reached.any() else path


def _column(traces: Block, kind: Kind) -> Any:
    if kind != "category":
        return traces.column
    return [f"c{code}" for code in traces.column.tolist()]
