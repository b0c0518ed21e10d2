"""The whole demo as a newcomer runs it: services, a sidecar, traffic, a page, answers, and nothing left behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

TRACES = 800


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder that Postgres as another user can pass, and whose path is short enough for its socket."""
    with tempfile.TemporaryDirectory(prefix="dw-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def inside(folder: Path) -> list[str]:
    """Command lines of processes that run in the folder or on it."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd()]
        except psutil.Error:
            continue
        if any(str(folder) in word for word in words):
            found.append(" ".join(words))
    return found


def test_the_demo_catches_the_bad_build_and_cleans_up(temporary: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTWARDEN_")}
    if "DRIFTWARDEN_CACHE" in os.environ:
        environ["DRIFTWARDEN_CACHE"] = os.environ["DRIFTWARDEN_CACHE"]
    done = subprocess.run(
        [sys.executable, "-m", "monitor", "demo", "--traces", str(TRACES)],
        env=environ | {"TMPDIR": str(temporary)},
        cwd=temporary,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    text = done.stdout

    assert done.returncode == 0, text + done.stderr
    assert "MISSING" not in text
    assert re.search(
        r"^broker: (Apache Kafka [\d.]+, started here, 127\.0\.0\.1:\d+|none, traces go to http\S+)$", text, re.M
    )
    assert re.search(r"^reference learned: the first 300 traces, ", text, re.M)
    assert len(re.findall(r"^webhook: alert\.firing, id msg_\w+, signature verified$", text, re.M)) == 1
    assert re.search(
        r"^  all traffic: .+ on build orrel-assistant:int4-\w+ since .+: (all|\d+ %) behaviour", text, re.M
    )
    assert re.search(r"^  onset [\d:]+ UTC, true change [\d:]+ UTC: [+-][0-6]\.\d panes of 5 min$", text, re.M)
    seen = re.search(r"after (\d+) traces of orrel-assistant:int4-", text)
    assert seen
    assert 0 < int(seen[1]) < 0.4 * TRACES
    scores = dict(re.findall(r"grounding\.lexical +│ \S+:(fp16|int4)-\w+ +│ \d+ +│ (0\.\d+)", text))
    assert float(scores["int4"]) > 1.5 * float(scores["fp16"])
    assert re.search(r"^done in \d+ s; broker: ", text, re.M)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert list(temporary.iterdir()) == []
    assert inside(temporary) == []


def test_too_few_traces_are_refused_with_the_limit() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "monitor", "demo", "--traces", "10"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "10 is not in the range 600<=x<=20000" in done.stderr
