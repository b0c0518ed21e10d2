"""Calibration and guarantees of groundedness on RAGTruth QA: what so many labels give, over repeated draws of them.

Labels and the answers they are tried on are of different sources. Errors are means over the draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.scores import shipped
from benchmarks.scores.labelled import read_ragtruth
from benchmarks.scores.metrics import Array, Flags
from detectors import grounding
from detectors.calibration import Calibration, brier, calibrate, calibration_error, isotonic, platt, prior, reliability
from detectors.guarantee import Infeasible, at_most_missed, clean_among_passed
from monitor.inference.grounding import shipped_grounding

DRAWS = 200
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Scored:
    """A score's values on labelled answers, ``(n,)`` each; ``owner`` numbers their sources, ``rows`` their places."""

    name: str
    rows: Indices
    values: Array
    bad: Flags
    owner: Indices


def report(files: Sequence[Path]) -> None:
    for scored in read(files):
        print(f"\n{scored.name}: {len(scored.values)} answers, {scored.bad.mean():.0%} bad, {DRAWS} draws")
        report_calibration(scored)
        report_guarantees(scored)


def read(files: Sequence[Path]) -> list[Scored]:
    """``grounding.lexical`` and ``grounding``; the latter out of fold where the model was trained on these answers."""
    rows = read_ragtruth(*files)
    bad = np.array([row.bad for row in rows])
    owner = np.unique([row.source for row in rows], return_inverse=True)[1]
    answers, passages = [row.answer for row in rows], [row.passages for row in rows]
    scores = grounding.lexical(answers, passages, questions=[row.question for row in rows])
    known = np.flatnonzero([score.value is not None for score in scores])
    lexical = np.array([score.value or 0.0 for score in scores])
    trained = shipped.out_of_fold(rows)
    if trained is None:
        trained = shipped.values_of(shipped.judged(rows, shipped_grounding()))
    return [
        Scored("grounding.lexical", known, lexical[known], bad[known], owner[known]),
        Scored("grounding", known, trained[known], bad[known], owner[known]),
    ]


def halves(owner: Indices, count: int | None, random: np.random.Generator) -> tuple[Indices, Indices]:
    """The rows of half of the sources (at most ``count`` of them), and those of the other half."""
    chosen = random.permutation(owner.max() + 1) < (owner.max() + 1) // 2
    first = random.permutation(np.flatnonzero(chosen[owner]))
    return first[:count], np.flatnonzero(~chosen[owner])


FITS: dict[str, Callable[[Array, Flags], Calibration]] = {
    "as it is": lambda *_: Calibration("none", 0), "prior": prior, "platt": platt, "isotonic": isotonic,
    "by number of labels": calibrate,
}  # fmt: skip
COUNTS = (25, 50, 100, 200, 500, 1000, 1500)


def report_calibration(scored: Scored) -> None:
    print(f"{'ECE (equal mass) / Brier':26}" + "".join(f"{name:>22}" for name in FITS))
    for count in COUNTS:
        told = errors(scored, count)
        print(
            f"{count:>10} labels{'':9}" + "".join(f"{f'{a:.3f} / {b:.3f}':>22}" for a, b in told.values()), flush=True
        )


def errors(scored: Scored, count: int) -> dict[str, tuple[float, float]]:
    """Expected calibration error and Brier score after so many labels, by the fit; means over the draws."""
    random = np.random.default_rng(count)
    values, bad = scored.values, scored.bad
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in FITS}
    for _ in range(DRAWS):
        labelled, rest = halves(scored.owner, count, random)
        for name, fit in FITS.items():
            told = fit(values[labelled], bad[labelled]).apply(values[rest])
            found[name].append((calibration_error(reliability(told, bad[rest])), brier(told, bad[rest])))
    means = {name: np.mean(rows, axis=0).tolist() for name, rows in found.items()}
    return {name: (error, square) for name, (error, square) in means.items()}


def report_guarantees(scored: Scored) -> None:
    values, bad, owner = scored.values, scored.bad, scored.owner
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
