"""From labels in a file to probabilities and a promise, at the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.stores import FIRST, START, InPostgres, line, unit

Run = Callable[..., subprocess.CompletedProcess[str]]
TRACES = 120


@pytest.fixture
def driftwarden(database_url: str, tmp_path: Path) -> Run:
    """The command in a folder of its own, on a database whose odd traces hedge."""
    stores = InPostgres(database_url)
    stores.traces().positions({FIRST: 0})
    answers = ("It is so.", "It may be so, perhaps. I think it might be.")
    stores.traces().commit(
        unit([line(i, START + timedelta(seconds=i), response=answers[i % 2]) for i in range(TRACES)])
    )
    stores.close()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTWARDEN_")}
    root = {"PYTHONPATH": str(Path(__file__).parents[2]), "DRIFTWARDEN_DATABASE__URL": database_url}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "monitor", *arguments],
            cwd=tmp_path, env={**environ, **root}, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run


def test_labels_of_a_file_become_probabilities_and_a_promise(driftwarden: Run, tmp_path: Path) -> None:
    # The odd ones hedge and are bad, but for every tenth of them.
    rows = [f"t{i},{'bad' if i % 2 and i % 10 != 1 else 'good'},2090-05-02T00:00:00Z" for i in range(TRACES)]
    (tmp_path / "labels.csv").write_text("\n".join(["id,value,time", *rows, ",bad,2090-05-02T00:00:00Z"]))

    first = driftwarden("feedback", "import", "labels.csv", "--tenant", "acme")
    again = driftwarden("feedback", "import", "labels.csv", "--tenant", "acme")
    fitted = driftwarden("calibrate", "--plot", "plots.html")
    promised = driftwarden("certify", "hedging", "--missed", "0.1")
    refused = driftwarden("certify", "hedging", "--clean", "0.99")
    seen = driftwarden(
        "query", "--format", "csv",
        "SELECT DISTINCT value, round(calibrated::numeric, 2) AS p FROM v_scores WHERE score = 'hedging' ORDER BY 1",
    )  # fmt: skip

    assert (first.returncode, first.stdout) == (1, f"{TRACES} stored, 0 known already, 1 not usable\n")
    assert first.stderr.startswith(f"row {TRACES + 1}: Expected `str` of length >= 1")
    assert again.stdout == f"0 stored, {TRACES} known already, 1 not usable\n"
    assert fitted.returncode == 0
    assert "hedging" in fitted.stdout
    assert (tmp_path / "plots.html").read_text().startswith("<!doctype html>")
    assert promised.stdout.startswith("certificate 1: hedging ≥ 1.0000 is flagged (50.0%); on average at most 10.0%")
    assert (refused.returncode, refused.stderr.startswith("Error: infeasible: ")) == (1, True)
    # Of those that hedge 80 % were called bad, of the others none; the probabilities are near.
    low, high = (float(row.split(",")[1]) for row in seen.stdout.splitlines()[1:])
    assert low < 0.1
    assert 0.7 < high < 0.9
