"""How much of a change of behaviour each change of a deployment explains."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detectors.base import Array
from detectors.cause import Cause, Label, Period, growth
from detectors.contrast import contrast
from detectors.expectation import Residuals

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
    """A label value: which of n + m traces have it, and the terms by which they may differ from the others."""

    label: Label
    name: str
    rows: Array
    terms: tuple[Array, ...]
    beside: tuple[tuple[str, str], ...] = ()


def behaviour_parts(found: Residuals, before: Period, after: Period) -> list[Cause]:
    """The parts of the shift of the mean residual; they add to it.

    What the traces without any value that came or grew have in common, or all of it where no value did, is the last
    part but one: of kind ``model``, unless a value that was there before carries most of it alone. Where nearly all
    traces have such a value, nothing is common beside it; then only a cache can be at fault alone, since no deployment
    touches what it answers.
    """
    columns = changed(found, before, after)
    if columns and any_of(columns)[found.after].mean() > _ALL:
        values = standing(found, before, after, ("cache",))
        return alone(found, columns, values, shared=columns) or parts_of(found, columns)
    after_all = found.after.astype(np.float64)
    common = Column("model", "", after_all, (after_all,))
    whole = parts_of(found, [*columns, common])
    if whole[-2].p_value >= _SURE:
        return whole
    return alone(found, [*columns, common], standing(found, before, after, _LABELS), shared=[common]) or whole


def changed(found: Residuals, before: Period, after: Period) -> list[Column]:
    """The values that came or grew, the most frequent first; values on the same traces share a column."""
    kept: list[Column] = []
    for label in _LABELS:
        for name in growth(before, after, label, over_dispersion=found.over_dispersion):
            column = column_of(found, before, after, label, name)
            twin = next((place for place, other in enumerate(kept) if same(column.rows, other.rows)), None)
            if twin is None:
                kept.append(column)
            elif label not in _IMPLIED.get(kept[twin].label, ()):
                kept[twin] = replace(kept[twin], beside=(*kept[twin].beside, (label, name)))
    return sorted(kept, key=lambda column: -column.rows[found.after].mean())[:_MOST]


def column_of(found: Residuals, before: Period, after: Period, label: Label, name: str) -> Column:
    """A value that was there before may differ from the others always, and otherwise since."""
    rows = (np.concatenate([before.labels[label], after.labels[label]]) == name).astype(np.float64)
    known = rows[~found.after].mean() > 1.0 - _ALL
    return Column(label, name, rows, (rows, rows * found.after) if known else (rows,))


def same(one: Array, other: Array) -> bool:
    """True where nearly every trace that has one value has the other."""
    return bool((one * other).sum() >= _SAME * max(one.sum(), other.sum()))


def any_of(columns: list[Column]) -> Array:
    """Traces with at least one of the values ``(n + m,)``."""
    found: Array = np.max([column.rows for column in columns], axis=0)
    return found


def parts_of(found: Residuals, columns: list[Column]) -> list[Cause]:
    """One part per column, and what they do not explain; p-values for as many as there are (Bonferroni)."""
    told = contrast(found, np.column_stack([term for column in columns for term in column.terms]))
    parts, first = [], 0
    for column in columns:
        terms = slice(first, first + len(column.terms))
        first = terms.stop
        p_value = min(float(told.p_values[terms].min()) * len(column.terms) * len(columns), 1.0)
        parts.append(Cause(column.label, column.name, float(told.contributions[terms].sum()), p_value, column.beside))
    return [*parts, Cause("unexplained", "", told.left, 1.0)]


def alone(found: Residuals, columns: list[Column], values: list[Column], *, shared: list[Column]) -> list[Cause] | None:
    """The parts when one of some values that were there before changed by itself, and the traces without it did not.

    What these did is the part of the shared columns: of no significance, or less than a quarter of both. Of all such
    values the one with the clearest contrast; None where there is none.
    """
    tried = [value for value in values if not any(same(value.rows, column.rows) for column in columns)]
    fits: list[tuple[float, list[Cause]]] = []
    for value in tried:
        *parts, mine, left = parts_of(found, [*columns, value])
        mine = replace(mine, p_value=min(mine.p_value * len(tried), 1.0))
        theirs = [part for part, column in zip(parts, columns, strict=True) if column in shared]
        others = sum(part.share for part in theirs)
        total = mine.share + others
        remain = min(part.p_value for part in theirs) < _SURE and abs(others) > 0.25 * abs(total)
        if mine.p_value < _SURE and mine.share * total > 0 and not remain:
            fits.append((mine.p_value, [*parts, mine, left]))
    return min(fits, key=lambda each: each[0])[1] if fits else None


def standing(found: Residuals, before: Period, after: Period, labels: tuple[Label, ...]) -> list[Column]:
    """The values of labels that some but not nearly all of the traces have, before as after.

    The empty one is no value: traces without an adapter, or not from a cache, have the model in common.
    """
    kept = []
    for label in labels:
        for name in np.unique(after.labels[label]).tolist():
            column = column_of(found, before, after, label, name)
            if name and len(column.terms) > 1 and 1.0 - _ALL < column.rows[found.after].mean() < _ALL:
                kept.append(column)
    return kept
