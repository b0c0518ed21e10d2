"""Canaries as they are typed: the shipped model behind a real worker, a real Postgres, and a template that is cut."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from benchmarks.canary.endpoint import served
from benchmarks.canary.golden import golden
from monitor import wiring
from monitor.cli import main
from monitor.errors import Permanent
from monitor.inference.shipped import ASSISTANT
from monitor.settings import Settings
from monitor.storage.canaries import PostgresCanaryStore
from monitor.storage.engine import connect
from monitor.storage.migrate import migrate
from monitor.storage.outbox import PostgresOutbox
from monitor.storage.reader import PostgresReader
from monitor.wiring.canaries import wanted
from monitor.wiring.parts import clock

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def driftwarden(database_url: str, tmp_path: Path) -> Run:
    """The command in a folder of its own, on a migrated database."""
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


def test_a_cut_template_is_found_and_told_by_the_commands(driftwarden: Run, database_url: str) -> None:
    engine = connect(database_url)
    PostgresCanaryStore(engine).add([structs.replace(each, max_tokens=16) for each in golden(6, seed=11)], clock())
    with served(ASSISTANT, None) as url:
        same = driftwarden("run", "--pin", "--url", url, "--every", "0", "--count", "12", "--fail-on-change")
    with served(ASSISTANT, ASSISTANT / "chat_template.truncated.jinja") as url:
        other = driftwarden("run", "--url", url, "--every", "0", "--count", "12", "--fail-on-change")
    with PostgresOutbox(engine).due(clock(), 10) as messages:
        told = [(message.endpoint, json.loads(message.payload)) for message in messages]
    with engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT count(*) FROM canary_results").scalar_one()
        rows = connection.exec_driver_sql("SELECT * FROM v_canaries ORDER BY canary").all()
    engine.dispose()

    assert (same.stdout, same.returncode) == ("canaries: ok 12\n", 0), same.stderr
    assert (other.stdout, other.returncode) == ("canaries: ok 12\n", 1), other.stderr
    assert [row.canary for row in rows] == [f"golden-{number:02}" for number in range(6)]
    assert {(row.target, row.state) for row in rows} == {("assistant", "changed")}
    assert rows[0].pinned_build != rows[0].build
    ((endpoint, message),) = told
    assert (endpoint, message["type"]) == ("pager", "alert.firing")
    assert message["data"]["labels"] == {"kind": "canary", "segment": "canary=assistant"}
    assert "log-probabilities moved by" in message["data"]["summary"]
    assert kept == 6 * 5 + 12 + 12


def test_prompts_are_added_listed_and_removed(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = connect(database_url)
    migrate(engine)
    store = PostgresCanaryStore(engine)
    monkeypatch.setattr(wiring, "canary_store", lambda: store)
    monkeypatch.setattr(wiring, "reader", lambda: PostgresReader(engine))
    (tmp_path / "golden.txt").write_text("How long?\nWhere to?\n")
    said = []
    for arguments in (
        ["add", str(tmp_path / "golden.txt")],
        ["add", "--prompt", "How long?", "--name", "refunds", "--context", "A page.", "--expected", "Five days."],
        ["add", "--prompt", "How long?", "--name", "refunds", "--context", "A page."],
        ["list", "--format", "json"],
        ["remove", "refunds"],
        ["status"],
        ["remove", "--all"],
    ):
        main(["canary", *arguments])
        said.append(capsys.readouterr().out)
    with pytest.raises(SystemExit):
        main(["canary", "remove", "refunds"])
    wrong = capsys.readouterr().err
    engine.dispose()

    assert said[:3] == [
        "2 added, 0 changed, 0 as they were; 2 in all\n",
        "1 added, 0 changed, 0 as they were; 3 in all\n",
        "0 added, 1 changed, 0 as they were; 3 in all\n",
    ]
    assert json.loads(said[3].splitlines()[-1]) == {
        "name": "refunds", "prompt": "How long?", "expected": [], "passages": 1, "max_tokens": None,
    }  # fmt: skip
    assert (said[4], said[5].count("no rows"), said[6]) == ("1 removed\n", 2, "2 removed\n")
    assert wrong == "driftwarden: removed 0 of 1: the others are not there\n"


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
