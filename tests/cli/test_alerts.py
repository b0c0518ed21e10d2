"""An alert at the terminal, with what caused it and who shows it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.model.alert import Alert, Change
from monitor.storage.alerts import write_change
from tests.stores import FIRST, PANE, START, InPostgres, line, unit

EXPLANATION = {
    "causes": [
        {"kind": "build", "name": "bot:int4-7f3a", "share": 0.71, "p_value": 1e-9, "beside": [],
         "sentence": "build bot:int4-7f3a answers otherwise (71 %)"},
        {"kind": "unexplained", "name": "", "share": 0.29, "p_value": 1.0, "beside": [], "sentence": "unknown"},
    ],
    "examples": [
        {"tenant": "acme", "id": "t2", "time": (START + PANE).isoformat(), "place": 4.5,
         "before": {"tenant": "acme", "id": "t1", "time": START.isoformat(), "place": 0.25}},
        {"tenant": "acme", "id": "gone", "time": START.isoformat(), "place": 3.5, "before": None},
    ],
}  # fmt: skip


@pytest.fixture
def shown(database_url: str, tmp_path: Path) -> str:
    """What the terminal shows of an alert whose second example is not kept any more."""
    stores = InPostgres(database_url)
    stores.traces().positions({FIRST: 0})
    lines = [
        line(1, prompt="A refund?", response="Of course."),
        line(2, START + PANE, prompt="A refund!", response="No."),
    ]
    stores.traces().commit(unit(lines))
    evidence = {"response.tokens": {"effect": 0.5}, "explanation": EXPLANATION}
    labels = {"kind": "drift", "segment": "all"}
    alert = Alert("alert_1", labels, "firing", START, START, "it moved", ("response.tokens",), evidence)
    with stores.engine.begin() as connection:
        write_change(connection, Change("alert.firing", alert, START), ())
    stores.close()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTWARDEN_")}
    root = {"PYTHONPATH": str(Path(__file__).parents[2]), "DRIFTWARDEN_DATABASE__URL": database_url}
    told = subprocess.run(
        [sys.executable, "-m", "monitor", "alerts", "show", "alert"],
        cwd=tmp_path, env={**environ, **root}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return told.stdout


def test_an_alert_is_shown_with_its_causes_and_examples(shown: str) -> None:
    rows = [" ".join(row.split()) for row in shown.replace("│", " ").splitlines()]

    assert "response.tokens 0.5" in rows
    assert "build bot:int4-7f3a 71% 1e-09 build bot:int4-7f3a answers otherwise (71 %)" in rows
    assert f"1 now 4.5 acme t2 {(START + PANE).isoformat()} A refund! No." in rows
    assert f"1 before 0.25 acme t1 {START.isoformat()} A refund? Of course." in rows
    assert f"2 now 3.5 acme gone {START.isoformat()} – –" in rows
