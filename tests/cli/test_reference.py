"""References at the terminal: listed, shown, pinned, accepted and cleared on a real database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitor.model.alert import Alert, Change
from monitor.model.build import build_of
from monitor.storage.alerts import write_change
from tests.learned import time_of, traffic
from tests.stores import FIRST, InPostgres, decoded, unit

Run = Callable[..., subprocess.CompletedProcess[str]]
BUILD = build_of(decoded(traffic(range(1)))[0].trace)
TRACES = 600


@pytest.fixture
def stores(database_url: str) -> Iterator[InPostgres]:
    """Ten traces a minute for an hour."""
    found = InPostgres(database_url)
    found.traces().positions({FIRST: 0})
    found.traces().commit(unit(traffic(range(TRACES)), at=time_of(TRACES)))
    yield found
    found.close()


@pytest.fixture
def driftwarden(database_url: str, tmp_path: Path) -> Run:
    """The command, on a database whose traces carry no vectors; replays are short."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTWARDEN_")}
        own = {
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "DRIFTWARDEN_DATABASE__URL": database_url,
            "DRIFTWARDEN_EMBEDDING__SOURCE": "trace",
            "DRIFTWARDEN_EMBEDDING__NAME": "none",
            "DRIFTWARDEN_EMBEDDING__DIMENSION": "2",
            "DRIFTWARDEN_GROUNDING__SOURCE": "off",
            "DRIFTWARDEN_DRIFT__REPLAY_PANES": "100",
        }
        return subprocess.run(
            [sys.executable, "-m", "monitor", *arguments],
            cwd=tmp_path, env={**environ, **own, **settings}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return run


def rows(shown: subprocess.CompletedProcess[str]) -> list[str]:
    return [" ".join(row.split()) for row in shown.stdout.replace("│", " ").splitlines()]


def test_a_pinned_reference_is_told_listed_and_shown(driftwarden: Run, stores: InPostgres) -> None:
    until = time_of(500).isoformat()
    pinned = driftwarden("reference", "pin", "--build", BUILD, "--until", until)
    shown = driftwarden("reference", "show", "--segment", "tenant=acme")
    (listed,) = [json.loads(line) for line in driftwarden("reference", "list", "--format", "json").stdout.splitlines()]
    unknown = driftwarden("reference", "show", "--segment", "tenant=nobody")

    assert pinned.stderr == ""
    told = rows(pinned)
    assert told[0] == f"baseline 1: pinned: build {BUILD}, until {time_of(500)}"
    assert "traces 500 from 2090-05-01 12:00:00 to 2090-05-01 12:49:54 UTC" in told
    assert f"builds {BUILD}" in told
    assert "embeddings none/2" in told
    assert "segments all (500), " + f"build={BUILD} (500), tenant=acme (333)" in told
    (length,) = [row for row in told if row.startswith("run length achieved ")]
    assert rows(shown)[: len(told)] == told
    tokens = next(row.split() for row in rows(shown) if row.startswith("response.tokens "))
    assert tokens[1] == "333"
    lowest, highest = (float(word) for word in length.split() if word.replace(".", "").isdigit())
    assert lowest <= float(tokens[-1]) + 0.005
    assert float(tokens[-1]) - 0.005 <= highest
    assert (listed["run_length"], listed["builds"], listed["traces"]) == (
        f"{lowest:.2f} to {highest:.2f}",
        [BUILD],
        500,
    )
    assert (listed["segments"], listed["in_force"], listed["space"]) == (3, True, "none/2")
    assert unknown.returncode == 78
    assert "baseline 1 has no reference of segment tenant=nobody; it has those of: all, build=" in unknown.stderr


def test_another_embedding_model_is_refused_until_the_baseline_is_cleared(driftwarden: Run, stores: InPostgres) -> None:
    driftwarden("reference", "pin", DRIFTWARDEN_DRIFT__REPLAY_PANES="0")
    other = {"DRIFTWARDEN_EMBEDDING__NAME": "other"}
    refused = driftwarden("reference", "pin", **other)
    examined = driftwarden("doctor", **other)
    cleared = driftwarden("reference", "clear", **other)
    after = driftwarden("doctor", **other)

    sentence = (
        "baseline 1 was made of embeddings of none/2, but the settings ask for those of other/2:"
        " set DRIFTWARDEN_EMBEDDING__… back, or end the baseline with `driftwarden reference clear`,"
        " and another is learned from the traces that come then"
    )
    assert refused.stderr == f"driftwarden: {sentence}\n"
    assert f"fail reference {sentence}" in examined.stdout
    assert cleared.stdout == (
        "baseline 2 judges nothing: the next is learned from 5,000 traces after 2090-05-01 12:59:54 UTC,"
        " with embeddings of other/2\n"
    )
    assert "ok   reference none since the last was cleared: 0 of 5,000 traces are in" in after.stdout


def test_an_alert_is_accepted_and_its_end_says_so(driftwarden: Run, stores: InPostgres) -> None:
    driftwarden("reference", "pin", "--until", time_of(300).isoformat(), DRIFTWARDEN_DRIFT__REPLAY_PANES="0")
    baseline = stores.baselines().baseline()
    assert baseline is not None
    alert = Alert("alert_5f2c", {"kind": "drift", "segment": "all"}, "firing", time_of(350), time_of(400), "longer",
                  ("response.tokens",), {})  # fmt: skip
    with stores.engine.begin() as connection:
        write_change(connection, Change("alert.firing", alert, time_of(400)), ())
    unknown = driftwarden("reference", "accept", "--alert", "alert_9")
    both = driftwarden("reference", "accept", "--alert", "alert_5", "--signal", "status")
    accepted = driftwarden("reference", "accept", "--alert", "alert_5")
    shown = driftwarden("alerts", "list", "--all", "--format", "json")

    assert unknown.stderr == "driftwarden: alert 'alert_9': there is no open drift alert with this id\n"
    assert both.stderr.endswith("--alert names segment and signals: give it alone, or --segment and --signal\n")
    assert accepted.stderr == ""
    told = rows(accepted)
    assert told[0] == "baseline 2: accepted: response.tokens of all traffic, all else as in baseline 1"
    assert "traces 250 from 2090-05-01 12:35:00 to 2090-05-01 12:59:54 UTC" in told
    assert "too small tenant=acme: 167 traces, a reference needs 200: not judged there any more" in told
    assert told[-1] == "alert alert_5f2c of all resolved: accepted"
    assert json.loads(shown.stdout)["resolution"] == "accepted"


def test_segments_over_the_limit_are_told_with_the_settings_name(driftwarden: Run, stores: InPostgres) -> None:
    few = {"DRIFTWARDEN_DRIFT__SEGMENT_LIMIT": "2", "DRIFTWARDEN_DRIFT__REPLAY_PANES": "0"}
    pinned = driftwarden("reference", "pin", **few)
    examined = driftwarden("doctor", **few)

    assert "left out tenant=acme, tenant=small: judged in all traffic only, since 2 larger segments reach" in "".join(
        rows(pinned)
    ).replace("drift.segment_limit", "")
    assert (
        "600 traces, 2 segments; 2 more segments, tenant=acme the largest, are judged in all traffic only:"
        " drift.segment_limit is 2"
    ) in examined.stdout
