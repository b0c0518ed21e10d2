"""Figures of a way of judging, out of fold: whole answers, sentences, characters, and by kind of hallucination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.scores.labelled import Row
from benchmarks.scores.metrics import Array, Flags, auroc, auroc_within, interval
from detectors.groundedness import opinion, stretches
from detectors.score import Span

GRID = np.linspace(0.05, 0.95, 37)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was said of one answer, and where its words and sentences are."""

    words: NDArray[np.float32]
    sentences: NDArray[np.float32]
    whole: float
    word_spans: Sequence[Span]
    sentence_spans: Sequence[Span]

    @property
    def opinion(self) -> float:
        return opinion(self.words, self.sentences, self.whole)


@dataclass(frozen=True, slots=True)
class Spans:
    """Character counts at each threshold of ``GRID``, by answer: ``(n, g)``; ``gold (n,)``."""

    hit: Array
    told: Array
    gold: Array


def marks(length: int, spans: Sequence[Span]) -> Flags:
    """``(length,)`` characters inside any of the spans."""
    out = np.zeros(length, bool)
    for start, end in spans:
        out[start:end] = True
    return out


def labelled(row: Row) -> Flags:
    return marks(len(row.answer), [(label.start, label.end) for label in row.labels])


def best_threshold(values: Array, bad: Flags, prior: float | None = None) -> float:
    """Where F1 is largest; with a prior, where it would be were that share of answers bad."""
    weights = np.ones(len(values))
    if prior is not None:
        weights = np.where(bad, prior / bad.mean(), (1 - prior) / (1 - bad.mean()))
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum((bad * weights)[order])
    f1 = 2 * hits / (np.cumsum(weights[order]) + (bad * weights).sum())
    return float(values[order][int(np.argmax(f1))])


def f1(told: Flags, bad: Flags, prior: float | None = None) -> float:
    """F1 of the bad ones; with a prior, as it would be were that share bad."""
    weights = np.ones(len(bad))
    if prior is not None:
        weights = np.where(bad, prior / bad.mean(), (1 - prior) / (1 - bad.mean()))
    return float(2 * weights[told & bad].sum() / (weights[told].sum() + weights[bad].sum()))


def f1_across(values: Array, bad: Flags, folds: NDArray[np.intp], prior: float | None = None) -> float:
    """F1 with each fold's threshold from the other folds."""
    told = np.zeros(len(values), bool)
    for fold in np.unique(folds):
        told[folds == fold] = values[folds == fold] >= best_threshold(values[folds != fold], bad[folds != fold], prior)
    return f1(told, bad, prior)


def spans_of(rows: Sequence[Row], readings: Sequence[Reading]) -> Spans:
    """Characters told and hit at each threshold."""
    hit, told = np.zeros((len(rows), len(GRID))), np.zeros((len(rows), len(GRID)))
    gold = np.zeros(len(rows))
    for at, (row, reading) in enumerate(zip(rows, readings, strict=True)):
        truth = labelled(row)
        gold[at] = truth.sum()
        for column, threshold in enumerate(GRID):
            if (flags := reading.words >= threshold).any():
                found = marks(len(row.answer), stretches(reading.word_spans, flags))
                hit[at, column], told[at, column] = (found & truth).sum(), found.sum()
    return Spans(hit, told, gold)


def chosen(spans: Spans, rows: NDArray[np.bool_]) -> int:
    """The column of the best character F1 on some answers."""
    hit, told = spans.hit[rows].sum(0), spans.told[rows].sum(0)
    return int(np.argmax(2 * hit / np.maximum(told + spans.gold[rows].sum(), 1)))


def figures(
    rows: Sequence[Row], readings: Sequence[Reading], folds: NDArray[np.intp], *, prior: float = 0.18
) -> dict[str, float]:
    """Every figure of one way on one corpus, by name."""
    values = np.array([reading.opinion for reading in readings])
    bad = np.array([row.bad for row in rows])
    lengths = np.array([float(len(row.answer)) for row in rows])
    low, high = interval(values, bad, [row.source for row in rows])
    out = {
        "auroc": auroc(values, bad),
        "low": low,
        "high": high,
        "at_length": auroc_within(values, bad, lengths),
        "f1": f1_across(values, bad, folds),
        "f1_prior": f1_across(values, bad, folds, prior),
    }
    truth = np.concatenate([
        [bool(labelled(row)[start:end].any()) for start, end in reading.sentence_spans]
        for row, reading in zip(rows, readings, strict=True)
    ])  # fmt: skip
    out["sentence_auroc"] = auroc(np.concatenate([reading.sentences for reading in readings]), truth.astype(bool))
    for group in sorted({row.group for row in rows}):
        inside = np.array([row.group == group for row in rows])
        out[f"auroc {group}"] = auroc(values[inside], bad[inside])
        out[f"length {group}"] = auroc(lengths[inside], bad[inside])
    return out | span_figures(rows, readings, folds)


def span_figures(rows: Sequence[Row], readings: Sequence[Reading], folds: NDArray[np.intp]) -> dict[str, float]:
    """Character F1 and precision, and the share of spans half of whose characters are told, by kind."""
    spans = spans_of(rows, readings)
    hit = told = 0.0
    found: dict[str, list[bool]] = {"baseless": [], "conflict": []}
    for fold in np.unique(folds):
        column = chosen(spans, folds != fold)
        inside = np.flatnonzero(folds == fold)
        hit += float(spans.hit[inside, column].sum())
        told += float(spans.told[inside, column].sum())
        for at in inside:
            row, reading = rows[at], readings[at]
            marked = marks(len(row.answer), stretches(reading.word_spans, reading.words >= GRID[column]))
            for label in row.labels:
                found[label.kind].append(bool(marked[label.start : label.end].mean() >= 0.5))
    gold = float(spans.gold.sum())
    out = {"span_f1": 2 * hit / max(told + gold, 1.0), "span_precision": hit / max(told, 1.0)}
    return out | {f"recall_{kind}": float(np.mean(each)) for kind, each in found.items() if each}
