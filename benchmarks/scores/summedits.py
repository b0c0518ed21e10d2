"""The shipped groundedness model on SummEdits (arXiv 2305.14540): the same words, a fact changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.scores import shipped
from benchmarks.scores.labelled import read_summedits
from monitor.inference.grounding import shipped_grounding


def report(files: Sequence[Path]) -> None:
    """Print every figure."""
    shipped.trained_on(files)
    model, rows = shipped_grounding(), read_summedits(files)
    shipped.report_whole(rows, shipped.values_of(shipped.judged(rows, model)), model)
