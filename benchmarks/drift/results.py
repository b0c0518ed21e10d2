"""What a part found, kept as JSON beside the page that shows it."""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "benchmarks" / "drift"

Row = dict[str, Any]
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of a part is run.

    Attributes:
        references: drawn for each law and kind of traffic.
        panes: null panes of each.
        replicates: changed streams of each reference.
        quick: a smoke test, whose figures mean little.
    """

    references: int
    panes: int
    replicates: int
    quick: bool


QUICK = Plan(references=3, panes=400, replicates=2, quick=True)
FULL = Plan(references=12, panes=2_000, replicates=5, quick=False)


def save(part: str, rows: Sequence[Row], *, command: str, seconds: float, folder: Path = FOLDER) -> Path:
    """Write the rows of a part."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part}.json"
    head = {
        "command": command,
        "seconds": round(seconds, 1),
        "machine": f"{platform.machine()}, Python {platform.python_version()}, numpy {version('numpy')}",
    }
    lines = ",\n".join(json.dumps(_plain(row), ensure_ascii=False) for row in rows)
    path.write_text(f'{json.dumps(head, ensure_ascii=False)[:-1]}, "rows": [\n{lines}\n]}}\n', encoding="utf-8")
    return path


def load(part: str, folder: Path = FOLDER) -> dict[str, Any] | None:
    """What was last saved of a part; None when it was never run."""
    path = folder / f"{part}.json"
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def written(value: float | None, at_least: float | None = None) -> str:
    """Two or three digits; a value that is not known is at least the one given, or a dash."""
    if value is not None and np.isfinite(value):
        return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"
    return "–" if at_least is None else f"> {written(at_least)}"


def progress(line: str) -> None:
    """A line of progress, with the time since the start of the process."""
    print(f"[{time.process_time():7.1f} s CPU] {line}", file=sys.stderr, flush=True)


def _plain(value: Any) -> Any:
    """As JSON has it: infinity and not-a-number are null, numbers keep six digits."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
