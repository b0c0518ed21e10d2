"""`driftwarden drift compare` on files, builds and ranges of time."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from monitor.cli import group, main
from tests.stores import FIRST, START, InPostgres, line, unit

WORDS = ["refund", "order", "parcel", "delay", "address", "invoice", "card", "login", "password", "email"]
TEXTS = ["--signals", "prompt.characters,response.characters,status"]


def write(path: Path, seed: int, *, n: int = 120, words: int = 12, model: str = "bot") -> Path:
    random = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["question", "reply", "model", "tenant"])
        for i in range(n):
            count = words + int(random.integers(0, 6))
            asked = " ".join(random.choice(WORDS, 6))
            rows.writerow([asked, " ".join(random.choice(WORDS, count)), model, "acme" if i % 2 else "zeta"])
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {
        "march": write(tmp_path / "march.csv", 1),
        "april": write(tmp_path / "april.csv", 2),
        "june": write(tmp_path / "june.csv", 3, words=24, model="bot-2"),
    }


def call(*arguments: str | Path) -> Result:
    mapped = ("--map", "auto", "--map", "prompt=question", "--map", "response=reply")
    return CliRunner().invoke(group, ["drift", "compare", *map(str, arguments), *mapped])


def test_help_answers_with_examples() -> None:
    told = CliRunner().invoke(group, ["drift", "compare", "--help"])
    assert told.exit_code == 0
    assert "driftwarden drift compare march.csv june.csv --map prompt=query" in told.output
    assert "response.embedding" in told.output


def test_files_that_differ_fail_a_check_and_files_that_do_not_pass(files: dict[str, Path]) -> None:
    same = call(files["march"], files["april"], *TEXTS, "--fail-on-drift")
    assert same.exit_code == 0
    assert "No evidence that april.csv differs from march.csv: 3 signals tested on 120 and 120 traces." in same.stdout
    other = call(files["march"], files["june"], *TEXTS, "--fail-on-drift")
    assert other.exit_code == 1
    assert "june.csv differs from march.csv in 1 of 3 signals: response.characters rose" in other.stdout
    assert call(files["march"], files["june"], *TEXTS).exit_code == 0


def test_the_exit_code_is_that_of_the_process(files: dict[str, Path]) -> None:
    arguments = ["drift", "compare", str(files["march"]), str(files["june"]), "--map", "prompt=question", "--map",
                 "response=reply", *TEXTS, "--fail-on-drift"]  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 1


def test_json_holds_every_signal_with_its_numbers(files: dict[str, Path]) -> None:
    told = json.loads(call(files["march"], files["june"], *TEXTS, "--format", "json").stdout)
    by_name = {finding["signal"]: finding for finding in told["findings"]}
    assert set(by_name) == {"prompt.characters", "response.characters", "status"}
    longer = by_name["response.characters"]
    assert longer["verdict"] == "changed"
    assert longer["p"] < longer["adjusted"] < 1e-10
    assert longer["e"] > 1e6
    assert [size["name"] for size in longer["estimates"]] == ["mean difference", "PSI", "KS", "Wasserstein"]
    assert told["before"]["since"] is None


def test_the_page_is_written_where_it_was_asked_for(files: dict[str, Path], tmp_path: Path) -> None:
    told = call(files["march"], files["june"], *TEXTS, "--html", tmp_path / "found.html")
    assert told.exit_code == 0
    assert "june.csv differs from march.csv" in (tmp_path / "found.html").read_text()


def test_one_file_is_compared_with_itself_by_column_and_by_label(files: dict[str, Path], tmp_path: Path) -> None:
    both = tmp_path / "both.csv"
    both.write_text(files["march"].read_text() + files["june"].read_text().partition("\n")[2])
    told = call(both, both, *TEXTS, "--where-before", "model=bot", "--where-now", "model=bot-2")
    assert "both.csv (model=bot-2) differs from both.csv (model=bot)" in told.stdout
    halved = json.loads(call(both, both, *TEXTS, "--segment", "tenant=acme", "--format", "json").stdout)
    assert halved["before"]["traces"] == halved["now"]["traces"] == 120


def test_a_limit_takes_a_random_part_of_either_side(files: dict[str, Path]) -> None:
    told = json.loads(call(files["march"], files["june"], *TEXTS, "--limit", "40", "--format", "json").stdout)
    assert (told["before"]["traces"], told["now"]["traces"]) == (40, 40)


def test_embeddings_are_made_where_the_signals_need_them(files: dict[str, Path]) -> None:
    told = call(files["march"], files["april"], "--signals", "prompt.embedding", "--limit", "60", "--format", "json")
    (finding,) = json.loads(told.stdout)["findings"]
    assert finding["n_before"] == 60
    assert [size["name"] for size in finding["estimates"]] == ["MMD²", "novel traffic", "centroid cosine"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["absent.csv", "april.csv"], "there is no file 'absent.csv'"),
        (["2026-01-02/2026-01-01", "april.csv"], "the range ends before it begins"),
        (["2026-01-02/2026-13-01", "april.csv"], "'2026-13-01': expected a time such as 2026-01-31T12:00"),
        (["march.csv", "april.csv", "--signals", "respnse.tokens"], "did you mean response.tokens"),
        (["march.csv", "april.csv", "--segment", "tenant"], "expected LABEL=VALUE, got 'tenant'"),
        (["march.csv", "april.csv", "--segment", "tenant=nobody"], "march.csv: no row became a trace"),
        (["march.csv", "april.csv", "--where", "colour=red"], "no column 'colour'"),
        (["march.csv", "april.csv", "--signals", "latency"], "no signal to compare has a value on either side"),
        (["march.csv", "april.csv", "--alpha", "0"], "0"),
    ],
)
def test_what_cannot_be_compared_is_said_with_exit_code_2(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(files["march"].parent)
    told = call(*arguments)
    assert told.exit_code == 2
    assert said in told.stderr


@pytest.fixture
def stored(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, str, int], None]]:
    """``stored(first, version, tokens)``: 60 traces of a build, a second apart, in a database that the command uses."""
    real = InPostgres(database_url)
    real.traces().positions({FIRST: 0})
    monkeypatch.setenv("DRIFTWARDEN_DATABASE__URL", database_url)
    random = np.random.default_rng(0)

    def store(first: int, version: str, tokens: int) -> None:
        lines = [
            line(first + i, START + timedelta(seconds=first + i), version=version, tokens=tokens + int(extra))
            for i, extra in enumerate(random.integers(0, 40, 60))
        ]
        real.traces().commit(unit(lines, first=first))

    yield store
    real.engine.dispose()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, which takes its connections with it."""
    command = [sys.executable, "-m", "monitor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_builds_and_ranges_of_time_are_compared_as_they_were_stored(stored: Callable[[int, str, int], None]) -> None:
    stored(0, "1", 100)
    stored(60, "2", 160)
    shown = run("query", "SELECT build FROM v_builds ORDER BY first_seen", "--format", "json")
    first, second = (json.loads(row)["build"] for row in shown.stdout.splitlines())
    told = run("drift", "compare", first, f"build:{second}", "--fail-on-drift")
    assert told.returncode == 1
    assert f"build {second} differs from build {first}" in told.stdout
    assert "response.tokens rose" in told.stdout
    cut = START + timedelta(seconds=60)
    spans = [f"{a:%Y-%m-%dT%H:%M:%S}/{b:%Y-%m-%dT%H:%M:%S}" for a, b in ((START, cut), (cut, cut + timedelta(hours=1)))]
    ranges = run("drift", "compare", *spans, "--segment", "tenant=acme", "--format", "json")
    found = json.loads(ranges.stdout)
    assert (found["before"]["traces"], found["now"]["traces"]) == (60, 60)
    assert next(f for f in found["findings"] if f["signal"] == "response.tokens")["verdict"] == "changed"


def test_a_build_that_is_not_there_is_said_with_those_that_are(stored: Callable[[int, str, int], None]) -> None:
    stored(0, "1", 100)
    told = run("drift", "compare", "bto:1", "bot:2")
    assert told.returncode == 2
    assert "there is no build 'bto:1'; " in told.stderr
    assert "bot:" in told.stderr
