"""Whatever the demo dies of, what it started ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from monitor.demo.janitor import Janitor, end_group, members
from monitor.dev.processes import alive, wait_until

SLEEP = "import time; time.sleep(600)"
# A leader that notes its child, and ends it in good order.
LEADER = """
import pathlib, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
def end(*_):
    child.terminate(); child.wait(); pathlib.Path(sys.argv[1]).write_text("in good order"); sys.exit()
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1]).write_text("ready")
while True: time.sleep(1)
"""
# A demo that hires a janitor, starts a group of processes, and is then killed.
DEMO = f"""
import subprocess, sys, time
from monitor.demo.janitor import Janitor
janitor = Janitor.hired()
process = subprocess.Popen([sys.executable, "-c", {SLEEP!r}], start_new_session=True, stdout=subprocess.DEVNULL)
janitor.told("folder", sys.argv[1])
janitor.told("group", process.pid)
for chore in sys.argv[2:]: janitor.told(chore)
print(process.pid, janitor.process.pid, flush=True)
time.sleep(600)
"""


def leader(note: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", LEADER, str(note)], start_new_session=True)
    assert wait_until(lambda: note.exists() and note.read_text() == "ready", deadline_s=20)
    return process


def test_a_group_is_ended_in_good_order_by_its_leader(tmp_path: Path) -> None:
    process = leader(tmp_path / "note")
    found = members(process.pid)
    end_group(process.pid)
    process.wait()
    assert len(found) == 2
    assert (tmp_path / "note").read_text() == "in good order"
    assert members(process.pid) == []


def test_a_group_whose_leader_was_killed_is_ended_too(tmp_path: Path) -> None:
    process = leader(tmp_path / "note")
    process.kill()
    process.wait()
    orphans = members(process.pid)
    end_group(process.pid)
    assert len(orphans) == 1
    assert members(process.pid) == []


def killed_demo(*arguments: str) -> tuple[psutil.Process, psutil.Process]:
    """A worker and the janitor of a demo that was killed without warning."""
    with subprocess.Popen([sys.executable, "-c", DEMO, *arguments], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        worker, janitor = (psutil.Process(int(pid)) for pid in demo.stdout.readline().split())
        demo.kill()
    return worker, janitor


def gone(*processes: psutil.Process) -> Callable[[], bool]:
    return lambda: not any(map(alive, processes))


def test_when_the_demo_is_killed_the_janitor_ends_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    worker, janitor = killed_demo(str(folder))
    assert wait_until(gone(worker, janitor), deadline_s=30)
    assert not folder.exists()


def test_told_to_keep_all_the_janitor_waits_to_be_asked(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    worker, janitor = killed_demo(str(folder), "keep")
    kept = not wait_until(gone(worker), deadline_s=1.0) and folder.exists()
    janitor.send_signal(signal.SIGTERM)
    assert wait_until(gone(worker, janitor), deadline_s=30)
    assert kept
    assert not folder.exists()


def test_a_chore_that_fails_keeps_no_other_from_being_done(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    janitor = Janitor.hired()
    janitor.told("folder", folder)
    janitor.told("database", "postgresql://nobody@127.0.0.1:9/none")
    janitor.dismissed()
    assert not folder.exists()
    assert janitor.process.returncode == 1
