"""How much of a change of behaviour each change of a deployment explains."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detectors.base import Array
from detectors.cause import Cause, Label, Period, growth
from detectors.contrast import Contrast, Residuals, contrast

# Of values that changed on the same traces the first names the cause. A tenant that comes brings its own template; a
# model of another name is another build, too.
_LABELS: tuple[Label, ...] = ("tenant", "adapter", "prompt_template", "model", "build", "cache", "engine", "service")
_IMPLIED = {"model": ("build",)}
_MOST = 8
_SAME = 0.97  # of the traces of either value: nothing tells the two apart
_ALL = 0.97  # of the traffic after: too few without it to tell what all have in common
_SURE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """An indicator of n + m traces, and what it stands for."""

    label: Label
    name: str
    rows: Array
    beside: tuple[tuple[str, str], ...] = ()


def behaviour_parts(found: Residuals, before: Period, after: Period) -> list[Cause]:
    """The parts of the shift of the mean residual; they add to it.

    What the traces without any value that came or grew have in common, or all of it where no value did, is the last
    part: of kind ``model``, unless a value that was there before carries most of it alone.
    """
    columns = changed(found, before, after)
    common = found.after.astype(np.float64)
    if columns and any_of(columns)[found.after].mean() > _ALL:
        return parts_of(columns, fit(found, columns), common=None)
    whole = fit(found, columns, common)
    if whole.p_values[-1] < _SURE:
        local = localised(found, columns, before, after)
        if local is not None:
            return local
    return parts_of(columns, whole, common=float(whole.contributions[-1]))


def changed(found: Residuals, before: Period, after: Period) -> list[Column]:
    """The values that came or grew, the largest growth first; values on the same traces share a column."""
    grown: list[tuple[float, Column]] = []
    for label in _LABELS:
        both = np.concatenate([before.labels[label], after.labels[label]])
        for name, (old, new) in growth(before, after, label, over_dispersion=found.over_dispersion).items():
            grown.append((new - old, Column(label, name, (both == name).astype(np.float64))))
    kept: list[Column] = []
    for _, column in grown:
        twin = next((place for place, other in enumerate(kept) if same(column.rows, other.rows)), None)
        if twin is None:
            kept.append(column)
        elif column.label not in _IMPLIED.get(kept[twin].label, ()):
            beside = (*kept[twin].beside, (column.label, column.name))
            kept[twin] = replace(kept[twin], beside=beside)
    return sorted(kept, key=lambda column: -column.rows[found.after].mean())[:_MOST]


def same(one: Array, other: Array) -> bool:
    """True where nearly every trace that has one value has the other."""
    return bool((one * other).sum() >= _SAME * max(one.sum(), other.sum()))


def any_of(columns: list[Column]) -> Array:
    """Traces with at least one of the values ``(n + m,)``."""
    found: Array = np.max([column.rows for column in columns], axis=0)
    return found


def fit(found: Residuals, columns: list[Column], *more: Array) -> Contrast:
    """The contrasts of the columns and of those given after them."""
    rows = [column.rows for column in columns] + list(more)
    return contrast(found, np.column_stack(rows))


def parts_of(columns: list[Column], told: Contrast, *, common: float | None) -> list[Cause]:
    """One part per column; then what all traces after have in common, and what no column explains."""
    tried = len(told.p_values)
    parts = [
        Cause(column.label, column.name, float(part), min(float(p_value) * tried, 1.0), column.beside)
        for column, part, p_value in zip(columns, told.contributions, told.p_values, strict=False)
    ]
    if common is None:
        return [*parts, Cause("unexplained", "", told.left, 1.0)]
    return [*parts, Cause("model", "", common, min(float(told.p_values[-1]) * tried, 1.0)),
            Cause("unexplained", "", told.left, 1.0)]  # fmt: skip


def localised(found: Residuals, columns: list[Column], before: Period, after: Period) -> list[Cause] | None:
    """The parts when one value that was there before changed by itself, and the traces without it did not.

    Of all such values the one with the clearest contrast; the others' change may be of no significance, or less than a
    quarter. None where there is no such value.
    """
    common = found.after.astype(np.float64)
    tried = [column for column in standing(before, after) if not any(same(column.rows, each.rows) for each in columns)]
    alone: list[tuple[float, Column, Contrast]] = []
    for column in tried:
        own = replace(column, rows=column.rows * common)
        told = fit(found, [*columns, own], common, column.rows)
        mine, others = told.contributions[-3], told.contributions[-2]
        remain = told.p_values[-2] < _SURE and abs(others) > 0.25 * abs(mine + others)
        if told.p_values[-3] * len(tried) < _SURE and mine * (mine + others) > 0 and not remain:
            alone.append((float(told.p_values[-3]), own, told))
    if not alone:
        return None
    _, column, told = min(alone, key=lambda each: each[0])
    parts = [
        Cause(each.label, each.name, float(part), min(float(p_value) * len(tried), 1.0), each.beside)
        for each, part, p_value in zip([*columns, column], told.contributions, told.p_values, strict=False)
    ]
    left = told.left + float(told.contributions[-2:].sum())
    return [*parts, Cause("unexplained", "", left, 1.0)]


def standing(before: Period, after: Period) -> list[Column]:
    """The values that some but not nearly all of the traces after have."""
    found = []
    for label in _LABELS:
        both = np.concatenate([before.labels[label], after.labels[label]])
        names, counts = np.unique(after.labels[label], return_counts=True)
        for name, count in zip(names.tolist(), counts.tolist(), strict=True):
            if 1.0 - _ALL < count / len(after) < _ALL:
                found.append(Column(label, name, (both == name).astype(np.float64)))
    return found
