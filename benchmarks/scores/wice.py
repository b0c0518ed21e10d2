"""The shipped groundedness model on WiCE (arXiv 2303.01432): claims of Wikipedia against what they cite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.scores import shipped
from benchmarks.scores.labelled import read_wice
from monitor.inference.grounding import shipped_grounding


def report(files: Sequence[Path]) -> None:
    """Print every figure."""
    shipped.trained_on(files)
    model, rows = shipped_grounding(), read_wice(files)
    found = shipped.judged(rows, model)
    whole = [place for place, row in enumerate(rows) if not row.located]
    if whole:
        shipped.report_whole([rows[place] for place in whole], shipped.values_of([found[p] for p in whole]), model)
    marked = [place for place, row in enumerate(rows) if row.located]
    if marked:
        shipped.report_spans([rows[place] for place in marked], [found[place] for place in marked])
