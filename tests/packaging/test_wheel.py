"""The wheel is all that an installation has."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

READ = {".py", ".sql", ".toml", ".html", ".css", ".js", ".onnx", ".json", ".jinja", ".safetensors", ".yaml"}
"""How the names of files end that the program reads."""


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built by the backend that pyproject.toml names."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=root)
    (built,) = folder.glob("driftwarden-*.whl")
    return built


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_file_that_the_program_reads_is_in_the_wheel(wheel: Path, root: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packages = ("monitor", "detectors", "migrations")
    files = {path.relative_to(root) for package in packages for path in (root / package).rglob("*") if path.is_file()}
    source = {path for path in files if path.suffix in READ}
    wanted = {str("monitor" / path if path.parts[0] == "migrations" else path) for path in source}
    assert {"monitor/migrations/env.py", "monitor/demo/knowledge.toml"} < wanted
    assistant = "monitor/inference/models/assistant"
    assert {
        f"{assistant}/model.onnx",
        f"{assistant}/chat_template.truncated.jinja",
        f"{assistant}/adapters/other-product/adapter_model.safetensors",
    } < wanted
    assert wanted - names == set()


def test_nothing_but_the_packages_is_in_the_wheel(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"monitor", "detectors"}


def test_the_wheel_carries_its_licence(wheel: Path, root: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("dist-info/licenses/LICENSE"))
    assert archive.read(name) == (root / "LICENSE").read_bytes()
    assert b"Apache License\n                           Version 2.0, January 2004" in archive.read(name)


def test_the_wheel_runs_away_from_its_checkout(wheel: Path, tmp_path: Path, root: Path) -> None:
    installed = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(installed)
    script = """
import monitor, importlib.resources as resources
from monitor.storage.migrate import folder, newest
from monitor.cli import main
knowledge = resources.files("monitor.demo").joinpath("knowledge.toml").read_bytes()
print(monitor.__file__, folder(), newest(), len(knowledge))
main(["schema", "--compact"])
"""
    told, schema = run(sys.executable, "-P", "-c", script, cwd=tmp_path, PYTHONPATH=str(installed)).splitlines()
    newest = max(path.name[:4] for path in (root / "migrations" / "versions").glob("[0-9]*.py"))
    knowledge = (root / "monitor" / "demo" / "knowledge.toml").stat().st_size
    package = installed / "monitor"
    assert told == f"{package}/__init__.py {package}/migrations {newest} {knowledge}"
    assert schema.startswith('{"$schema": "https://json-schema.org/draft/2020-12/schema"')
