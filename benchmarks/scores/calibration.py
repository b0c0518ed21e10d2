"""Calibration and guarantees of groundedness on RAGTruth QA: what so many labels give, over repeated draws of them.

Labels and the answers they are tried on are of different sources. Errors are means over the draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.scores.metrics import Array, Flags
from benchmarks.scores.ragtruth import read_ragtruth
from detectors import grounding
from detectors.calibration import Calibration, brier, calibrate, calibration_error, isotonic, platt, prior, reliability
from detectors.guarantee import Infeasible, at_most_missed, clean_among_passed

DRAWS = 200
Indices = npt.NDArray[np.intp]


def report(files: Sequence[Path]) -> None:
    corpus = read_ragtruth(*files)
    scores = grounding.lexical(corpus.answers, corpus.passages, questions=corpus.questions)
    known = np.array([i for i, score in enumerate(scores) if score.value is not None])
    values = np.array([scores[i].value for i in known], float)
    bad = corpus.hallucinated[known]
    owner = np.unique([corpus.questions[i] for i in known], return_inverse=True)[1]
    print(f"grounding.lexical: {len(values)} answers, {bad.mean():.0%} bad, {DRAWS} draws")
    report_calibration(values, bad, owner)
    report_guarantees(values, bad, owner)


def halves(owner: Indices, count: int | None, random: np.random.Generator) -> tuple[Indices, Indices]:
    """The rows of half of the sources (at most ``count`` of them), and those of the other half."""
    chosen = random.permutation(owner.max() + 1) < (owner.max() + 1) // 2
    first = random.permutation(np.flatnonzero(chosen[owner]))
    return first[:count], np.flatnonzero(~chosen[owner])


def report_calibration(values: Array, bad: Flags, owner: Indices) -> None:
    fits: dict[str, Callable[[Array, Flags], Calibration]] = {
        "as it is": lambda *_: Calibration("none", 0), "prior": prior, "platt": platt, "isotonic": isotonic,
        "by number of labels": calibrate,
    }  # fmt: skip
    print(f"{'ECE (equal mass) / Brier':26}" + "".join(f"{name:>22}" for name in fits))
    for count in (25, 50, 100, 200, 500, 1000, 1500):
        random = np.random.default_rng(count)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in fits}
        for _ in range(DRAWS):
            labelled, rest = halves(owner, count, random)
            for name, fit in fits.items():
                told = fit(values[labelled], bad[labelled]).apply(values[rest])
                found[name].append((calibration_error(reliability(told, bad[rest])), brier(told, bad[rest])))
        means = {name: np.mean(rows, axis=0) for name, rows in found.items()}
        print(
            f"{count:>10} labels{'':9}" + "".join(f"{f'{a:.3f} / {b:.3f}':>22}" for a, b in means.values()), flush=True
        )


def report_guarantees(values: Array, bad: Flags, owner: Indices) -> None:
    for alpha in (0.05, 0.1, 0.2):
        random = np.random.default_rng(0)
        missed, flagged = [], []
        for _ in range(DRAWS):
            labelled, rest = halves(owner, None, random)
            found = at_most_missed(values[labelled], bad[labelled], alpha)
            if isinstance(found, Infeasible):
                raise SystemExit(found.reason)
            missed.append(float((values[rest][bad[rest]] < found.value).mean()))
            flagged.append(float((values[rest] >= found.value).mean()))
        error = np.std(missed) / np.sqrt(DRAWS)
        print(f"at most {alpha:.0%} missed: {np.mean(missed):.3f} ± {error:.3f} missed, {np.mean(flagged):.0%} flagged")
    for clean in (0.75, 0.8, 0.9):
        random = np.random.default_rng(1)
        shares = []
        for _ in range(DRAWS):
            labelled, rest = halves(owner, None, random)
            found = clean_among_passed(values[labelled], bad[labelled], clean)
            if not isinstance(found, Infeasible):
                shares.append(1 - float(bad[rest][values[rest] < found.value].mean()))
        broken = (
            f"{np.mean(shares):.3f} clean, under {clean} in {np.mean(np.array(shares) < clean):.1%}" if shares else ""
        )
        print(
            f"at least {clean:.0%} clean with 95 %: infeasible in {1 - len(shares) / DRAWS:.0%} of the draws; {broken}"
        )
