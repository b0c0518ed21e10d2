"""The whole demo as a newcomer runs it: services, a sidecar, a model, a story, and nothing left behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

REFERENCE = 400


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


def test_the_demo_tells_its_story_and_cleans_up(temporary: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTWARDEN_")}
    if "DRIFTWARDEN_CACHE" in os.environ:
        environ["DRIFTWARDEN_CACHE"] = os.environ["DRIFTWARDEN_CACHE"]
    done = subprocess.run(
        [sys.executable, "-m", "monitor", "demo", "--reference", str(REFERENCE)],
        env=environ | {"TMPDIR": str(temporary)},
        cwd=temporary,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    text = done.stdout

    assert done.returncode == 0, text + done.stderr
    assert "MISSING" not in text
    assert re.search(
        r"^broker: (Apache Kafka [\d.]+, started here, 127\.0\.0\.1:\d+|none, traces go to http\S+)$", text, re.M
    )
    assert re.search(rf"^  reference learned from the first {REFERENCE} traces, ", text, re.M)
    assert len(re.findall(r"^  noted, nobody paged: all traffic: .*(prompt|response)\.embedding", text, re.M)) == 1
    told = re.findall(r"^  webhook alert\.(\w+), kind (\w+), signature verified: ", text, re.M)
    assert Counter(what for what, _ in told) == {"firing": 2, "resolved": 2}, text
    story = r"^  (?:webhook alert\.\w+, kind drift, signature verified|noted, paged for already): all traffic: "
    assert re.search(rf"{story}.* on build orrel-assistant:int4-\w+", text, re.M), text
    assert re.search(rf"{story}.* on prompt template \w+", text, re.M), text
    shares = {
        name: [int(share) for share in found]
        for name, *found in re.findall(
            r"^  (\w[\w ]+\w) +│ \d+ +│ (\d+) % +│ (\d+) % +│ (\d+) % +│ (\d+) % +│", text, re.M
        )
    }
    assert shares["learning"][0] > 60 > shares["int4"][0] > shares["cut template"][0]
    assert shares["int4"][3] > shares["learning"][3]  # what the guard stopped
    assert re.search(r"^done in \d+ s; broker: ", text, re.M)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert list(temporary.iterdir()) == []
    assert inside(temporary) == []


def test_too_few_traces_are_refused_with_the_limit() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "monitor", "demo", "--reference", "10"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "10 is not in the range 300<=x<=20000" in done.stderr
