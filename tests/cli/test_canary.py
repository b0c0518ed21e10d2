"""Canaries as they are typed: the shipped model behind a real worker, a real Postgres, and a template that is cut."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.canary.endpoint import served
from benchmarks.canary.golden import golden
from monitor.cli import main
from monitor.errors import Permanent
from monitor.inference.shipped import ASSISTANT
from monitor.settings import Settings
from monitor.storage.engine import connect
from monitor.storage.migrate import migrate
from monitor.storage.outbox import PostgresOutbox
from monitor.wiring.canaries import wanted
from monitor.wiring.parts import clock

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def driftwarden(database_url: str, tmp_path: Path) -> Run:
    """The command in a folder of its own, on a database without golden prompts."""
    engine = connect(database_url)
    migrate(engine)
    engine.dispose()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTWARDEN_")}
    pager = {"name": "pager", "url": "https://hooks.example.com/x", "secret": "whsec_" + "QUFB" * 8}
    own = {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "DRIFTWARDEN_DATABASE__URL": database_url,
        "DRIFTWARDEN_WEBHOOK__ENDPOINTS": json.dumps([pager]),
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "monitor", "canary", *arguments],
            cwd=tmp_path, env={**environ, **own}, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run


def written(path: Path, prompts: int) -> None:
    lines = [
        {
            "name": each.name, "messages": [{"role": turn.role, "content": turn.content} for turn in each.messages],
            "context": each.context, "expected": each.expected, "max_tokens": 24,
        }
        for each in golden(prompts, seed=11)
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")


def test_a_cut_template_is_found_and_told_by_the_commands(driftwarden: Run, database_url: str, tmp_path: Path) -> None:
    written(tmp_path / "golden.jsonl", 6)
    added = driftwarden("add", "golden.jsonl")
    with served(ASSISTANT, None) as url:
        pinned = driftwarden("pin", "--url", url)
        same = driftwarden("run", "--url", url, "--every", "0", "--count", "20", "--fail-on-change")
    with served(ASSISTANT, ASSISTANT / "chat_template.truncated.jinja") as url:
        other = driftwarden("run", "--url", url, "--every", "0", "--count", "12", "--fail-on-change")
    status = driftwarden("status", "--format", "json")
    engine = connect(database_url)
    with PostgresOutbox(engine).due(clock(), 10) as messages:
        told = [(message.endpoint, json.loads(message.payload)) for message in messages]
    with engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT count(*) FROM canary_results").scalar_one()
        traces = connection.exec_driver_sql("SELECT count(*) FROM traces").scalar_one()
    engine.dispose()

    assert added.stdout == "6 added, 0 changed, 0 as they were; 6 in all\n"
    assert (pinned.stdout, pinned.returncode) == ("assistant is pinned\n", 0), pinned.stderr
    assert (same.stdout, same.returncode) == ("canaries: ok 20\n", 0), same.stderr
    assert (other.stdout, other.returncode) == ("canaries: ok 12\n", 1), other.stderr
    rows = [json.loads(line) for line in status.stdout.splitlines()]
    assert [row["canary"] for row in rows] == [f"golden-{number:02}" for number in range(6)]
    assert {(row["target"], row["state"]) for row in rows} == {("assistant", "changed")}
    assert rows[0]["pinned_build"] != rows[0]["build"]
    ((endpoint, message),) = told
    assert (endpoint, message["type"]) == ("pager", "alert.firing")
    assert message["data"]["labels"] == {"kind": "canary", "segment": "canary=assistant"}
    assert "log-probabilities moved by" in message["data"]["summary"]
    assert (kept, traces) == (6 * 5 + 20 + 12, 0)


def test_prompts_are_added_listed_and_removed(driftwarden: Run) -> None:
    added = driftwarden("add", "--prompt", "How long?", "--name", "refunds", "--context", "A page.")
    listed = driftwarden("list", "--format", "json")
    removed = driftwarden("remove", "refunds", "nobody")

    assert added.stdout == "1 added, 0 changed, 0 as they were; 1 in all\n"
    assert json.loads(listed.stdout) == {
        "name": "refunds", "prompt": "How long?", "expected": [], "passages": 1, "max_tokens": None,
    }  # fmt: skip
    assert (removed.returncode, removed.stderr) == (78, "driftwarden: removed 1 of 2: the others are not there\n")


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["add", "--prompt", " "], 78, "expected a prompt, got nothing"),
        (["add", "nowhere.jsonl"], 2, "does not exist"),
        (["add"], 2, "expected one of FILE and --prompt"),
        (["remove"], 2, "expected names, or --all"),
        (["run", "--fail-on-change"], 2, "--fail-on-change: expected --count or --once with it"),
    ],
)
def test_what_is_missing_is_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, reason: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["canary", *arguments])
    assert (ended.value.code, reason in capsys.readouterr().err) == (code, True)


def test_settings_need_an_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Permanent, match="DRIFTWARDEN_CANARY__URL is not set"):
        wanted(Settings(), {"model": "bot"})
    with pytest.raises(Permanent, match="repeats: expected 2 to 100, got 1"):
        wanted(Settings(), {"url": "http://127.0.0.1/v1", "repeats": 1})
    assert wanted(Settings(), {"url": "http://127.0.0.1/v1", "every_s": None}).every_s == 60
