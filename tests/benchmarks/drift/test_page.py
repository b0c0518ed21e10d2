from pathlib import Path
from typing import Any

import pytest

from benchmarks.drift import page, targets
from benchmarks.drift.results import load, save, written


def arl_row(traffic: str, ratio: float, interval: tuple[float, float]) -> dict[str, Any]:
    return {
        "law": "normal", "traffic": traffic, "target": 100.0, "references": 2, "panes": 1_000, "alarms": 20,
        "ratio": ratio, "interval": interval, "quantiles": (0.5, 1.0, 2.0),
    }  # fmt: skip


def test_rows_come_back_as_they_were_saved_with_infinity_as_nothing(tmp_path: Path) -> None:
    save("arl", [arl_row("i.i.d.", float("inf"), (4.0, float("inf")))], command="c", seconds=1.0, folder=tmp_path)
    found = load("arl", tmp_path)
    assert found is not None
    assert found["command"] == "c"
    assert (found["rows"][0]["ratio"], found["rows"][0]["interval"]) == (None, [4.0, None])
    assert load("delay", tmp_path) is None


def test_a_ratio_whose_interval_misses_the_bounds_is_not_reached() -> None:
    rows = [arl_row("i.i.d.", 1.2, (0.8, 1.7)), arl_row("i.i.d.", 5.0, (3.0, 8.0)), arl_row("AR(1)", 0.1, (0.1, 0.2))]
    lines = targets.section({"arl": rows})
    assert lines[4] == "| achieved over target ARL, i.i.d. | 0.9 to 1.5 | 1.20 to 5.00 | not reached: 1 of 2 |"


def test_the_page_shows_each_part_with_its_command(tmp_path: Path) -> None:
    folder = tmp_path / "drift"
    save("arl", [arl_row("i.i.d.", 1.2, (0.9, 1.5))], command="python -m x arl", seconds=1.0, folder=folder)
    text = page.write(folder, ["arl.svg"]).read_text(encoding="utf-8")
    assert "`python -m x arl`" in text
    assert "![False alarms](drift/arl.svg)" in text
    assert "| normal | i.i.d. | 1.20 | 1.00 [0.50, 2.00] |" in text
    assert "| achieved over target ARL, i.i.d. | 0.9 to 1.5 | 1.20 to 1.20 | reached |" in text


@pytest.mark.parametrize(
    ("value", "least", "text"),
    [(1_234.5, None, "1,234"), (0.5, None, "0.50"), (0.0123, None, "0.012"), (None, 3.0, "> 3.00"), (None, None, "–")],
)
def test_figures_are_written_with_two_or_three_digits(value: float | None, least: float | None, text: str) -> None:
    assert written(value, least) == text
