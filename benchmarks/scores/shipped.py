"""The model that ships, on any labelled answers: nothing is fitted here, every threshold is its own.

A model was trained on the files whose sha256 it carries: on those the figures flatter it, and the report says so. What
heads that had not seen an answer's source said of it is kept beside this file (``python -m training.grounding compare
--ways words --values …``), and is reported too.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.scores.judged import best_threshold, f1, f1_across, labelled, marks
from benchmarks.scores.labelled import Row, key_of
from benchmarks.scores.metrics import Array, Flags, auroc, auroc_within, interval
from benchmarks.scores.priors import estimated_prior, expected_f1_threshold, moved
from detectors.groundedness import Judgement, Model, judge
from monitor.inference.grounding import FILE

KEPT = Path(__file__).with_name("out_of_fold.json")
FOLDS = 5


def judged(rows: Sequence[Row], model: Model) -> list[Judgement | None]:
    """What the model says of each answer, with the CPU time it took on the screen."""
    began = time.process_time()
    found = [judge(row.answer, row.passages, row.question, model) for row in rows]
    took = (time.process_time() - began) / len(rows)
    print(f"grounding: {1e3 * took:.1f} ms of CPU per answer, {1 / took:,.0f} answers per core and second")
    return found


def values_of(found: Sequence[Judgement | None]) -> Array:
    """``(n,)``; an answer without words claims nothing."""
    return np.array([0.0 if one is None else one.value for one in found])


def report_whole(rows: Sequence[Row], values: Array, model: Model) -> None:
    """AUROC beside length, F1 at the model's threshold and at one moved to the prior of these rows, and by group."""
    bad = np.array([row.bad for row in rows])
    lengths = np.array([float(len(row.answer)) for row in rows])
    print(f"{len(rows)} answers, {bad.mean():.1%} bad")
    print(f"{'AUROC':24}{'all':>8}{'95 % over sources':>20}{'in length quintiles':>22}")
    for name, column in (("answer length", lengths), ("grounding", values)):
        low, high = interval(column, bad, [row.source for row in rows])
        told = f"{auroc(column, bad):8.3f}{f'[{low:.3f}, {high:.3f}]':>20}"
        print(f"{name:24}{told}{auroc_within(column, bad, lengths):22.3f}")
    prior = estimated_prior(values, model.prior)
    here = moved(values, model.prior, prior)
    own, shifted = best_told(values), best_told(here)
    print(f"F1 {100 * f1(own, bad):.1f} at the threshold for the prior of training, {model.prior:.0%}")
    print(f"F1 {100 * f1(shifted, bad):.1f} at the threshold for the prior estimated without labels, {prior:.0%}")
    folds = np.array([row.fold(FOLDS) for row in rows])
    print(f"F1 {100 * f1_across(values, bad, folds):.1f} at thresholds from the other four folds of sources")
    groups = sorted({row.group for row in rows})
    others = np.array([groups.index(row.group) for row in rows])
    if len(groups) > 1 and all(0 < bad[others == group].mean() < 1 for group in range(len(groups))):
        print(f"F1 {100 * f1_across(values, bad, others):.1f} at thresholds from the other groups")
    print(f"F1 {100 * f1(values >= best_threshold(values, bad), bad):.1f} at the best threshold, which no one knows")
    print(f"calibration: equal-mass ECE {ece(values, bad):.3f} as it is, {ece(here, bad):.3f} at the estimated prior")
    for group in groups:
        inside = np.array([row.group == group for row in rows])
        told = f"{inside.sum():5d} answers, {bad[inside].mean():4.0%} bad"
        ours, theirs = auroc(values[inside], bad[inside]), auroc(lengths[inside], bad[inside])
        print(f"  {group:24}{told}  AUROC {ours:.3f}  length {theirs:.3f}")


def best_told(values: Array) -> Flags:
    """Those at or above the threshold where the expected F1 is largest."""
    return np.asarray(values >= expected_f1_threshold(values))


def ece(values: Array, bad: Flags, bins: int = 10) -> float:
    """Expected calibration error over bins of equal mass."""
    parts = np.array_split(np.argsort(values, kind="stable"), bins)
    return float(sum(len(part) / len(values) * abs(bad[part].mean() - values[part].mean()) for part in parts))


def report_spans(rows: Sequence[Row], found: Sequence[Judgement | None]) -> None:
    """Sentences and characters, and the share of spans half of whose characters are told, by kind."""
    pairs = [(row, one) for row, one in zip(rows, found, strict=True) if one is not None]
    truth = [labelled(row) for row, _ in pairs]
    sentences = np.array([claim.value for _, one in pairs for claim in one.claims], float)
    wrong = np.array([
        gold[slice(*claim.span)].any() for (_, one), gold in zip(pairs, truth, strict=True) for claim in one.claims
    ])  # fmt: skip
    told = [marks(len(row.answer), one.spans) for row, one in pairs]
    hit = sum(int((mine & gold).sum()) for mine, gold in zip(told, truth, strict=True))
    size, gold_size = sum(int(mine.sum()) for mine in told), sum(int(gold.sum()) for gold in truth)
    print(f"sentences: AUROC {auroc(sentences, wrong):.3f} over {len(sentences)}")
    print(f"characters: F1 {200 * hit / max(size + gold_size, 1):.1f}, precision {hit / max(size, 1):.3f}")
    for kind in ("baseless", "conflict"):
        each = [
            mine[label.start : label.end].mean() >= 0.5
            for (row, _), mine in zip(pairs, told, strict=True)
            for label in row.labels
            if label.kind == kind
        ]
        if each:
            print(f"  {kind}: {np.mean(each):.1%} of {len(each)} spans found, half or more of their characters")


def report_passages(rows: Sequence[Row], model: Model) -> None:
    """The passages read together, against one at a time with the smallest or the largest value of a word."""
    several = [row for row in rows if len(row.passages) > 1]
    together = values_of([judge(row.answer, row.passages, row.question, model) for row in several])
    least, most = [], []
    for row in several:
        each = [one.words for one in (judge(row.answer, [p], row.question, model) for p in row.passages) if one]
        least.append(float(np.sort(np.min(each, 0))[-5:].mean()) if each else 0.0)
        most.append(float(np.sort(np.max(each, 0))[-5:].mean()) if each else 0.0)
    bad = np.array([row.bad for row in several])
    told = {"together": together, "minimum over passages": np.array(least), "maximum over passages": np.array(most)}
    print("  ".join(f"{name} {auroc(column, bad):.3f}" for name, column in told.items()), f"({len(several)} answers)")


def trained_on(files: Sequence[Path]) -> bool:
    """Say so where the model was trained on one of these files."""
    body = (resources.files("monitor.inference") / "models" / FILE).read_bytes()
    seen = set(msgspec.json.decode(body)["trained"]["files_sha256"].values())
    known = any(hashlib.sha256(path.read_bytes()).hexdigest() in seen for path in files)
    if known:
        print("the model was trained on a file given here: these figures flatter it")
    return known


def out_of_fold(rows: Sequence[Row]) -> Array | None:
    """``(n,)`` what heads that had not seen its source said of each answer; None where that is not known of all."""
    kept = msgspec.json.decode(KEPT.read_bytes())["values"]
    found = [kept.get(key_of(row)) for row in rows]
    # An answer or a context without words was not judged.
    known = [row.answer.strip() == "" or value is not None for row, value in zip(rows, found, strict=True)]
    return np.array([value or 0.0 for value in found]) if all(known) else None
