"""The figures of docs/benchmarks/scores.md: ``python -m benchmarks.scores.plots [FOLDER]``; matplotlib is in ``bench``.

They are drawn from the labelled data and the probabilities out of fold, anew each time; the same data gives the same
files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.scores import calibration, sac3
from benchmarks.scores.__main__ import PARTS, own_files
from benchmarks.scores.labelled import read_ragtruth
from benchmarks.scores.metrics import Array, Flags, auroc
from detectors.calibration import reliability

FOLDER = Path(__file__).parents[2] / "docs" / "benchmarks" / "scores"
COLOURS = ("#4269d0", "#efb118", "#999999")


def files_of(name: str) -> list[Path]:
    return own_files(next(part for part in PARTS if part.name == name))


def rates(values: Array, bad: Flags) -> tuple[Array, Array]:
    """False and true positive rates at every threshold, from (0, 0) on."""
    order = np.argsort(-values, kind="stable")
    hits, misses = np.cumsum(bad[order]), np.cumsum(~bad[order])
    return np.append(0, misses / misses[-1]), np.append(0, hits / hits[-1])


def roc() -> Any:
    """Of answers to RAGTruth's questions: the trained model, the lexical score, length; what only declines is last."""
    rows = read_ragtruth(*files_of("ragtruth"))
    scored = calibration.read(files_of("ragtruth"))
    figure = Figure(figsize=(4.2, 4.0))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#dddddd", linewidth=0.8)
    lengths, bad = np.array([float(len(row.answer)) for row in rows]), np.array([row.bad for row in rows])
    curves = {"grounding": np.zeros(len(rows)), "grounding.lexical": np.zeros(len(rows)), "answer length": lengths}
    for one in scored:
        curves[one.name][one.rows] = one.values
    for (name, values), colour in zip(curves.items(), COLOURS, strict=True):
        axes.plot(*rates(values, bad), color=colour, label=f"{name}, {auroc(values, bad):.3f}")
    axes.set(xlabel="good answers flagged", ylabel="bad answers flagged", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False, loc="lower right", title="AUROC")
    return figure


def labels() -> Any:
    """The calibration error left after so many labels, and how the probabilities of the trained model lie."""
    figure = Figure(figsize=(8.0, 3.4))
    left, right = figure.subplots(1, 2)
    left.axhline(0.05, color="#dddddd", linewidth=0.8)
    for one, colour in zip(calibration.read(files_of("calibration"))[::-1], COLOURS, strict=False):
        found = [calibration.errors(one, count)["by number of labels"][0] for count in calibration.COUNTS]
        left.plot(calibration.COUNTS, found, marker="o", markersize=4, color=colour, label=one.name)
        bins = reliability(one.values, one.bad)
        right.plot([b.expected for b in bins], [b.observed for b in bins], marker="o", markersize=4, color=colour)
    left.set(xscale="log", xlabel="labels", ylabel="expected calibration error", ylim=(0, None))
    left.legend(frameon=False)
    right.plot([0, 1], [0, 1], color="#dddddd", linewidth=0.8)
    right.set(xlabel="value as it is", ylabel="share of bad answers", xlim=(0, 1), ylim=(0, 1))
    figure.tight_layout()
    return figure


def samples() -> Any:
    """Consistency on SAC3 by the number of samples, means over draws."""
    questions = sac3.read_sac3(files_of("sac3")[0])
    wrong = np.array([each.wrong for each in questions])
    random = np.random.default_rng(0)
    draws = [[random.permutation(len(each.samples)).tolist() for each in questions] for _ in range(sac3.DRAWS)]
    figure = Figure(figsize=(4.6, 3.4))
    axes = figure.subplots()
    lengths = np.array([float(len(each.answer)) for each in questions])
    axes.axhline(auroc(lengths, wrong), color=COLOURS[2], linewidth=0.8, label="answer length")
    for (name, score), colour in zip(sac3.WAYS.items(), ("#4269d0", "#efb118", "#ff725c"), strict=False):
        counts = (5, 7, 10) if name.endswith("semantic_entropy") else (3, 5, 7, 10)
        found = [np.mean([auroc(sac3.scored(questions, n, drawn, score), wrong) for drawn in draws]) for n in counts]
        axes.plot(counts, found, marker="o", markersize=4, color=colour, label=name)
    axes.set(xlabel="samples", ylabel="AUROC", xticks=(3, 5, 7, 10))
    axes.legend(frameon=False, fontsize=8)
    return figure


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    mpl.use("svg")
    mpl.rcParams.update({
        "svg.hashsalt": "scores", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    })  # fmt: skip
    for name, draw in (("roc", roc), ("labels", labels), ("samples", samples)):
        draw().savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
        print(folder / f"{name}.svg", flush=True)


if __name__ == "__main__":
    main()
