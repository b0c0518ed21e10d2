"""What the documents say is what the code does."""

import re
from pathlib import Path
from typing import get_args

import pytest

from monitor.canaries.config import CanaryConfig
from monitor.guard.policy import Check
from monitor.model.scores import NAMES
from monitor.settings import GuardSettings
from monitor.tap import TapConfig

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_scores_that_are_described_are_those_there_are() -> None:
    described = re.findall(
        r"^\| `([a-z0-9_.]+)` \|", (DOCS / "scores.md").read_text().partition("## What")[2], re.MULTILINE
    )
    assert described == list(NAMES)


def test_the_checks_and_settings_of_the_guard_that_are_described_are_those_there_are() -> None:
    told = (DOCS / "guard.md").read_text()
    checks = re.findall(r"^\| `(\w+)` \|", told.partition("| check |")[2].partition("`mode`")[0], re.MULTILINE)
    settings = re.findall(r"`guard\.(\w+)`", told.partition("## Settings")[2].partition("`driftwarden run`")[0])
    assert checks == [kind.__struct_config__.tag for kind in get_args(Check)]
    assert sorted(settings) == sorted(GuardSettings.__dataclass_fields__)


def test_the_settings_of_the_tap_that_are_described_are_those_there_are() -> None:
    told = (DOCS / "tap.md").read_text().partition("## Settings")[2].partition("## ")[0]
    assert sorted(re.findall(r"`tap\.(\w+)`", told)) == sorted(TapConfig.__dataclass_fields__)


def test_the_settings_of_canaries_that_are_described_are_those_there_are() -> None:
    told = (DOCS / "canaries.md").read_text().partition("## Settings")[2]
    assert sorted(re.findall(r"`canary\.(\w+)`", told)) == sorted(CanaryConfig.__dataclass_fields__)


def test_the_engine_as_a_library_finds_the_shift_of_its_example(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (DOCS / "drift.md").read_text(), re.DOTALL)
    exec(compile(example, "docs/drift.md", "exec"), {})
    found = re.fullmatch(r"drift after (\d+) traces, evidence (\d+\.\d)\n", capsys.readouterr().out)
    assert found is not None
    assert int(found[1]) <= 160
    assert float(found[2]) >= 9.2  # log 10⁴
