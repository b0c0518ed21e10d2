"""What a person or CI types first."""

import os
import re
import shutil
import subprocess
from pathlib import Path

TARGETS = ["help", "setup", "demo", "test", "check", "bench"]


def make(root: Path, *arguments: str) -> str:
    program = shutil.which("make")
    assert program is not None, "make is not on PATH; on Debian: apt-get install make"
    # A make that runs these tests would hand its own flags on.
    environment = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    }
    done = subprocess.run(
        [program, "--no-print-directory", *arguments],
        cwd=root,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_make_alone_lists_its_targets(root: Path) -> None:
    assert re.findall(r"^make (\w+) ", make(root), re.MULTILINE) == TARGETS


def test_the_tests_come_last_in_the_check(root: Path) -> None:
    planned = [line.split("/")[-1] for line in make(root, "-n", "check").splitlines() if line.startswith(".venv/bin/")]
    tools = [
        "ruff format --check .",
        "ruff check .",
        "mypy",
        "lint-imports --no-logo",
        "hadolint Dockerfile",
        "pytest -n 2 --dist loadfile",
    ]
    assert [line.strip() for line in planned] == [tool.strip() for tool in tools]


def test_a_fresh_clone_is_set_up_from_the_lock(root: Path, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "uv.lock"):
        shutil.copy(root / name, tmp_path)
    planned = make(tmp_path, "-n", "demo", "UV=.uv/bin/uv", "PYTHON=python3.11").splitlines()
    assert [line.rstrip() for line in planned] == [
        "python3.11 -m venv .uv",
        ".uv/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9",
        ".uv/bin/uv sync --frozen --compile-bytecode --python python3.11",
        "touch .venv/ready",
        ".venv/bin/driftwarden demo",
    ]


def test_ci_says_what_is_missing_and_runs_the_check(root: Path, tmp_path: Path) -> None:
    """With an empty PATH everything is missing; nothing is installed where apt-get is not there."""
    script = root / ".ci" / "run"
    bash = shutil.which("bash")
    dirname = shutil.which("dirname")
    assert bash is not None
    assert dirname is not None
    (tmp_path / "dirname").symlink_to(dirname)
    done = subprocess.run([bash, script], env={"PATH": str(tmp_path)}, check=False, capture_output=True, text=True)
    assert os.access(script, os.X_OK)
    assert done.returncode == 1
    assert done.stderr.startswith("missing: make python3 python3-venv default-jre-headless maven; on Debian: apt-get")
    assert script.read_text().splitlines()[-1] == "make check </dev/null"
