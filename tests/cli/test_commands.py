"""The command line as a person meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.storage.migrate import newest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def driftwarden(tmp_path: Path) -> Run:
    """Runs the command in an empty folder, with no settings but those given."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTWARDEN_")}
        return subprocess.run(
            [sys.executable, "-m", "monitor", *arguments],
            cwd=tmp_path,
            env={**environ, "PYTHONPATH": str(Path(__file__).parents[2]), **settings},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_help_names_every_command_and_imports_none_of_them(driftwarden: Run) -> None:
    from monitor.cli import COMMANDS

    shown = driftwarden("--help")
    assert shown.returncode == 0
    assert all(f"  {name} " in shown.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    "command",
    [
        "import",
        "query",
        "reference",
        "replay",
        "feedback",
        "calibrate",
        "certify",
        "rejects",
        "webhook",
        "models",
        "dev",
        "demo",
    ],
)
def test_every_command_answers_help(driftwarden: Run, command: str) -> None:
    shown = driftwarden(command, "--help")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"Usage: driftwarden {command}")


def test_a_missing_database_is_said_in_one_sentence(driftwarden: Run) -> None:
    shown = driftwarden("query", "SELECT 1")
    assert shown.returncode == 78
    assert shown.stderr == (
        "driftwarden: DRIFTWARDEN_DATABASE__URL is not set (a local database: `driftwarden dev up`)\n"
    )


def test_a_wrong_setting_stops_the_start_with_name_value_and_limit(driftwarden: Run) -> None:
    shown = driftwarden("judge", DRIFTWARDEN_DRIFT__PANE_S="0")
    assert shown.returncode == 78
    assert shown.stderr == (
        "driftwarden: DRIFTWARDEN_DRIFT__PANE_S: Input should be greater than or equal to 0.1, got '0'\n"
    )


def test_a_signal_that_does_not_exist_cannot_be_left_out(driftwarden: Run) -> None:
    shown = driftwarden("judge", DRIFTWARDEN_DRIFT__UNWATCHED='["latency", "lateness"]')
    assert shown.returncode == 78
    assert shown.stderr.startswith(
        "driftwarden: DRIFTWARDEN_DRIFT__UNWATCHED: no signal is called lateness; there are abstention, "
    )


def test_an_unknown_setting_is_refused_with_the_sections_there_are(driftwarden: Run) -> None:
    shown = driftwarden("doctor", DRIFTWARDEN_KAFAK__TOPIC="x")
    assert "unknown settings: DRIFTWARDEN_KAFAK__TOPIC; expected DRIFTWARDEN_DATABASE__…" in shown.stdout


def test_a_database_without_schema_says_what_to_run(driftwarden: Run, database_url: str) -> None:
    shown = driftwarden("alerts", "list", DRIFTWARDEN_DATABASE__URL=database_url)
    assert shown.returncode == 78
    assert f"the database has no schema, this program needs {newest()}: run `driftwarden migrate`" in shown.stderr


def test_the_schema_is_json_schema_2020_12_and_names_what_is_required(driftwarden: Run) -> None:
    schema = json.loads(driftwarden("schema").stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    trace = schema["$defs"]["Trace"]
    assert set(trace["required"]) == {"id", "schema_version", "time", "model", "output_messages"}
    assert trace["anyOf"] == [{"required": ["input_messages"]}, {"required": ["prompt_text"]}]


def test_queries_read_and_never_write(driftwarden: Run, database_url: str) -> None:
    here = {"DRIFTWARDEN_DATABASE__URL": database_url}
    assert driftwarden("migrate", **here).returncode == 0
    listed = driftwarden("query", "SELECT 1 AS one, '12:30' AS time, 7 % 4 AS rest", "--format", "csv", **here)
    assert listed.stdout.splitlines() == ["one,time,rest", "1,12:30,3"]
    written = driftwarden("query", "DELETE FROM traces", **here)
    assert written.returncode == 78
    assert "read-only" in written.stderr
    for name in ("builds", "drift", "worst", "rejects"):
        assert driftwarden("query", name, **here).returncode == 0


def test_a_secret_is_one_the_webhook_library_takes(driftwarden: Run) -> None:
    from standardwebhooks import Webhook

    secret = driftwarden("webhook", "secret").stdout.strip()
    assert secret.startswith("whsec_")
    Webhook(secret)
