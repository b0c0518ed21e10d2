"""``grounding.embedding`` on RAGTruth QA, alone and beside ``grounding`` (arXiv 2401.00396); minutes of encoding.

Whether it adds anything is told by a logistic regression over both log-odds, fitted on the other folds of sources.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import logit

from benchmarks.scores import shipped
from benchmarks.scores.labelled import read_ragtruth
from benchmarks.scores.metrics import Array, Flags, auroc, auroc_within, interval
from monitor.inference.build import cached_minilm
from monitor.inference.encoder import Encoder
from monitor.inference.grounding import shipped_grounding
from monitor.scoring.embedded import Nearness

EDGE = 1e-3


def report(files: Sequence[Path]) -> None:
    """Print every figure."""
    rows = read_ragtruth(*files)
    check = Nearness(Encoder.load(cached_minilm()))
    began = time.process_time()
    scores = [check(row.answer, row.passages) for row in rows]
    took = (time.process_time() - began) / len(rows)
    print(f"{len(rows)} answers, {1e3 * took:.0f} ms of CPU each where passages are met four times and kept")
    print(f"{sum(score.value is None for score in scores)} without a value")
    bad = np.array([row.bad for row in rows])
    lengths = np.array([float(len(row.answer)) for row in rows])
    trained = shipped.out_of_fold(rows)
    if trained is None:
        trained = shipped.values_of(shipped.judged(rows, shipped_grounding()))
    near = np.array([score.value or 0.0 for score in scores])
    folds = np.array([row.fold(shipped.FOLDS) for row in rows])
    columns = {
        "answer length": lengths,
        "grounding.embedding": near,
        "grounding": trained,
        "both": fused(np.stack([trained, near]), bad, folds),
    }
    print(f"{'AUROC':24}{'all':>8}{'95 % over sources':>20}{'in length quintiles':>22}")
    for name, column in columns.items():
        low, high = interval(column, bad, [row.source for row in rows])
        told = f"{auroc(column, bad):8.3f}{f'[{low:.3f}, {high:.3f}]':>20}"
        print(f"{name:24}{told}{auroc_within(column, bad, lengths):22.3f}")


def fused(values: Array, bad: Flags, folds: Array) -> Array:
    """Log-odds ``(n,)`` by a logistic regression over those of ``(k, n)`` scores, fitted on the other folds."""
    inputs = np.vstack([logit(np.clip(values, EDGE, 1 - EDGE)), np.ones(values.shape[1])])
    found = np.empty(values.shape[1])
    for fold in np.unique(folds):
        there, signs = folds != fold, 2 * bad[folds != fold] - 1

        def loss(weights: Array, there: Flags = there, signs: Array = signs) -> float:
            return float(np.logaddexp(0, -signs * (weights @ inputs[:, there])).mean())

        fitted = minimize(loss, np.zeros(len(inputs)), method="BFGS").x
        found[~there] = fitted @ inputs[:, ~there]
    return found
