"""Evidently's report: made for real where the extra is installed, refused with a sentence where it is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import chi2_contingency, ks_2samp

from monitor.cli import group
from monitor.errors import Permanent
from monitor.model.comparison import Given
from monitor.model.scored import Scored
from monitor.report import MISSING_EXTRA, labels_array, stored

evidently = pytest.mark.skipif(find_spec("evidently") is None, reason="Evidently is not installed: driftwarden[report]")


def side(name: str, seed: int, n: int = 200, *, longer: float = 0.0) -> Given:
    random = np.random.default_rng(seed)
    latency = random.exponential(size=n)
    latency[:10] = np.nan
    columns = {
        "response.tokens": random.normal(100.0 + longer, 20.0, size=n),
        "latency": latency,
        "finish_reason": random.choice(["stop", "length"], size=n, p=[0.8, 0.2]).tolist(),
        "hedging": np.full(n, np.nan),
        "prompt.embedding": random.normal(size=(n, 4)).astype(np.float32),
    }
    return Given(name, Scored((), columns, {}), timed=True)


def test_signals_without_values_on_both_sides_are_left_out(tmp_path: Path) -> None:
    contents = stored(side("march", 1), side("june", 2), tmp_path, vectors=False, alpha=0.05)
    assert contents.scalars == ("response.tokens", "latency")
    assert contents.categories == ("finish_reason",)
    assert contents.vectors == ()
    with np.load(tmp_path / "columns.npz") as arrays:
        assert sorted(arrays) == sorted(f"{at}/{name}" for at in ("reference", "current") for name in (
            "response.tokens", "latency", "finish_reason"))  # fmt: skip


def test_a_missing_label_is_a_label() -> None:
    assert labels_array(["a", None]).tolist() == ["a", "(none)"]


def test_sides_without_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="report: no signal has 30 values on both sides"):
        stored(side("march", 1, 20), side("june", 2, 20), tmp_path, vectors=False, alpha=0.05)


@evidently
def test_the_tests_are_the_ones_that_were_named(tmp_path: Path) -> None:
    before, now = side("march", 1), side("june", 2, longer=15.0)
    stored(before, now, tmp_path, vectors=False, alpha=0.06)
    code = "import sys, pathlib, monitor.report as r; print(r.made(pathlib.Path(sys.argv[1])).json())"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env={**os.environ, "DO_NOT_TRACK": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    metrics = json.loads(done.stdout)["metrics"]
    drifts = {m["config"]["column"]: m for m in metrics if m["config"]["type"].endswith(":ValueDrift")}
    tokens, reasons = ([given.scored.columns[name] for given in (before, now)] for name in
                       ("response.tokens", "finish_reason"))  # fmt: skip
    table = [[list(column).count(label) for label in ("stop", "length")] for column in reasons]
    assert drifts["response.tokens"]["value"] == pytest.approx(ks_2samp(*tokens).pvalue)
    assert drifts["response.tokens"]["value"] < 0.001
    # Evidently's χ² takes the reference's shares for exact, so its p-value is the smaller.
    assert drifts["finish_reason"]["value"] <= chi2_contingency(np.array(table), correction=False).pvalue
    assert {drift["config"]["threshold"] for drift in drifts.values()} == {0.02}


def files(folder: Path) -> list[str]:
    random = np.random.default_rng(0)
    for name, words in (("march", 5), ("june", 25)):
        rows = [f"question {i},{' '.join(['word'] * int(words + random.integers(0, 9)))}" for i in range(60)]
        (folder / f"{name}.csv").write_text("\n".join(["question,answer", *rows]) + "\n")
    sides = ["--reference", str(folder / "march.csv"), "--current", str(folder / "june.csv")]
    return ["report", *sides, "--html", str(folder / "report.html"), "--map", "auto"]


@evidently
def test_a_page_of_two_files_is_written_and_loads_nothing(tmp_path: Path) -> None:
    told = CliRunner().invoke(group, files(tmp_path))
    assert told.exit_code == 0, told.output
    assert "june.csv beside march.csv" in told.stdout
    page = (tmp_path / "report.html").read_text()
    assert "response.characters" in page
    assert 'src="http' not in page


def test_a_missing_extra_is_said_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.cli.report.find_spec", lambda _name: None)
    told = CliRunner().invoke(group, files(tmp_path))
    assert told.exit_code == 1
    assert "pip install 'driftwarden[report]'" in told.stderr


def test_an_evidently_that_cannot_be_imported_is_said_too(tmp_path: Path) -> None:
    (tmp_path / "evidently.py").write_text("raise ModuleNotFoundError('no', name='evidently')")
    stored(side("march", 1), side("june", 2), tmp_path, vectors=False, alpha=0.05)
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-m", "monitor.report", str(tmp_path), str(tmp_path / "report.html")],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == MISSING_EXTRA


def test_only_one_thing_can_be_now() -> None:
    told = CliRunner().invoke(
        group,
        ["report", "--html", "x.html", "--build", "a", "--from", "2026-01-01", "--reference", "2026-01-01/2026-01-02"],
    )
    assert told.exit_code == (1 if find_spec("evidently") is None else 2)
