"""A report by Evidently, made in a process of its own: ``python -m monitor.report FOLDER OUTPUT``.

Evidently takes seconds and hundreds of megabytes to import, and asks home unless told not to, so no other module of
ours imports it. The folder holds what is compared as arrays, written by ``stored``; this process reads them, and writes
the page. It needs the extra ``report``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from monitor.errors import Permanent
from monitor.model.comparison import Given
from monitor.model.signal import KINDS, Column

MISSING_EXTRA = "the report is made by Evidently, which is not installed: pip install 'driftwarden[report]'"
# Evidently draws each embedding in two dimensions, which takes minutes beyond this many rows.
EMBEDDED_ROWS = 500
LEAST = 30  # values on either side, or a signal says nothing


@dataclass(frozen=True, slots=True)
class Contents:
    """What a folder holds, besides the arrays.

    Attributes:
        names: of the two sides.
        scalars: signals that are numbers.
        categories: signals that are labels.
        vectors: signals that are vectors.
        alpha: the share of false alarms over all signals.
    """

    names: tuple[str, str]
    scalars: tuple[str, ...]
    categories: tuple[str, ...]
    vectors: tuple[str, ...]
    alpha: float


def make(reference: Given, current: Given, output: Path, *, folder: Path, vectors: bool, alpha: float) -> Contents:
    """Write the page in another process.

    Args:
        reference: what is compared with.
        current: what is compared.
        output: where the page goes.
        folder: an empty folder for what the process is given.
        vectors: whether embeddings are part of it.
        alpha: the share of false alarms over all signals.

    Raises:
        Permanent: the extra is missing, no signal can be compared, or Evidently failed.
    """
    contents = stored(reference, current, folder, vectors=vectors, alpha=alpha)
    done = subprocess.run(
        [sys.executable, "-m", "monitor.report", str(folder), str(output)],
        env={**os.environ, "DO_NOT_TRACK": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise Permanent(f"report: {said[0]}")
    return contents


def stored(reference: Given, current: Given, folder: Path, *, vectors: bool, alpha: float) -> Contents:
    """Write the columns that both sides have enough values of."""
    kept: dict[str, list[str]] = {"scalar": [], "category": [], "vector": []}
    arrays: dict[str, Any] = {}
    for name, kind in KINDS.items():
        columns = [side.scored.columns.get(name) for side in (reference, current)]
        if kind == "relation" or (kind == "vector" and not vectors) or not all(map(enough, columns)):
            continue
        kept[kind].append(name)
        for side, column in zip(("reference", "current"), columns, strict=True):
            arrays[f"{side}/{name}"] = column if isinstance(column, np.ndarray) else labels_array(column or ())
    contents = Contents(
        (reference.name, current.name), tuple(kept["scalar"]), tuple(kept["category"]), tuple(kept["vector"]), alpha
    )
    if not arrays:
        raise Permanent(f"report: no signal has {LEAST} values on both sides")
    np.savez(folder / "columns.npz", **arrays)
    (folder / "contents.json").write_bytes(msgspec.json.encode(contents))
    return contents


def enough(column: Column | None) -> bool:
    """Whether a column has values that could be compared; one label for all of them could not fail either."""
    if column is None:
        return False
    if isinstance(column, np.ndarray):
        whole = np.isfinite(column) if column.ndim == 1 else np.isfinite(column).all(axis=1)
        return int(whole.sum()) >= LEAST
    return sum(label is not None for label in column) >= LEAST


def labels_array(column: Sequence[str | None]) -> np.ndarray[Any, Any]:
    """Labels as text, a missing one as such: Evidently would drop it, and that labels are gone is a change."""
    return np.array(["(none)" if label is None else label for label in column])


def made(folder: Path) -> Any:
    """Evidently's own result for what a folder holds; runs in the process that imports it."""
    import pandas as pd  # noqa: PLC0415
    from evidently import DataDefinition, Dataset, Report  # noqa: PLC0415

    contents = msgspec.json.decode((folder / "contents.json").read_bytes(), type=Contents)
    with np.load(folder / "columns.npz") as arrays:
        sides = {side: frame(arrays, side, contents) for side in ("reference", "current")}
    embeddings = {name: [c for c in sides["current"] if c.startswith(f"{name}[")] for name in contents.vectors}
    definition = DataDefinition(
        numerical_columns=list(contents.scalars),
        categorical_columns=list(contents.categories),
        embeddings=embeddings or None,
    )
    datasets = {side: Dataset.from_pandas(pd.DataFrame(columns), definition) for side, columns in sides.items()}
    report = Report(metrics(contents), metadata={"reference": contents.names[0], "current": contents.names[1]})
    return report.run(datasets["current"], datasets["reference"])


def frame(arrays: Mapping[str, np.ndarray[Any, Any]], side: str, contents: Contents) -> dict[str, Any]:
    """The columns of one side; of an embedding one column a dimension."""
    columns = {name: arrays[f"{side}/{name}"] for name in (*contents.scalars, *contents.categories)}
    rows = min((len(arrays[f"{side}/{name}"]) for name in contents.vectors), default=0)
    for name in contents.vectors:
        vectors = arrays[f"{side}/{name}"]
        columns |= {f"{name}[{i}]": vectors[:, i] for i in range(vectors.shape[1])}
    if not rows:
        return columns
    # An embedding can't be missing there: rows that lack one are left out, and of many some are drawn.
    whole = np.all([np.isfinite(arrays[f"{side}/{name}"]).all(axis=1) for name in contents.vectors], axis=0)
    places = np.flatnonzero(whole)
    chosen = places[np.random.default_rng(0).permutation(len(places))[:EMBEDDED_ROWS]]
    return {name: column[chosen] for name, column in columns.items()}


def metrics(contents: Contents) -> list[Any]:
    """Drift by tests that are named, at a threshold for all signals together; Evidently's defaults cry wolf."""
    from evidently.legacy.metrics.data_drift.embedding_drift_methods import mmd  # noqa: PLC0415
    from evidently.metrics import EmbeddingsDrift  # noqa: PLC0415
    from evidently.presets import DataDriftPreset, DataSummaryPreset  # noqa: PLC0415

    columns = [*contents.scalars, *contents.categories]
    threshold = contents.alpha / max(len(columns), 1)
    found: list[Any] = []
    if columns:
        found.append(
            DataDriftPreset(
                columns=columns, num_method="ks", cat_method="chisquare", num_threshold=threshold,
                cat_threshold=threshold, include_tests=False,
            )
        )  # fmt: skip
        found.append(DataSummaryPreset(columns=columns))
    found += [
        EmbeddingsDrift(embeddings_name=name, drift_method=mmd(quantile_probability=1 - contents.alpha))
        for name in contents.vectors
    ]
    return found


def main() -> None:
    """The process."""
    folder, output = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        made(folder).save_html(str(output))
    except ImportError as error:
        installed = error.name and error.name.partition(".")[0] not in ("evidently", "pandas")
        sys.exit(str(error) if installed else MISSING_EXTRA)


if __name__ == "__main__":
    main()
