"""The Dockerfile, read as the builder reads it."""

import fnmatch
import json
import re
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest
from fastapi import FastAPI

from monitor.web import health
from monitor.web.server import serve

Instruction = tuple[str, str]


@pytest.fixture(scope="module")
def stages(root: Path) -> dict[str, list[Instruction]]:
    """The instructions of each stage, by its name; its own FROM comes first."""
    text = re.sub(r"^\s*#.*\n", "", (root / "Dockerfile").read_text(), flags=re.MULTILINE)
    instructions = [line.split(maxsplit=1) for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    found: dict[str, list[Instruction]] = {"": []}
    stage = ""
    for word, rest in instructions:
        if word == "FROM":
            stage = rest.split(" AS ")[1]
            found[stage] = []
        found[stage].append((word, rest.strip()))
    return found


def those(stage: list[Instruction], word: str) -> list[str]:
    return [rest for name, rest in stage if name == word]


def lineage(stages: dict[str, list[Instruction]], name: str) -> list[Instruction]:
    """A stage's instructions after those of the stages it stands on."""
    base = stages[name][0][1].split(" AS ")[0]
    return (lineage(stages, base) if base in stages else []) + stages[name]


@pytest.mark.parametrize("target", ["sidecar", "gpu"])
def test_a_container_is_not_root_and_starts_the_program_itself(
    stages: dict[str, list[Instruction]], target: str
) -> None:
    instructions = lineage(stages, target)
    assert those(instructions, "USER") == ["10001:10001"]
    assert [json.loads(rest) for rest in those(instructions, "ENTRYPOINT")] == [["driftwarden"]]
    assert [json.loads(rest) for rest in those(instructions, "CMD")] == [["run"]]


@pytest.mark.parametrize(("target", "extra"), [("sidecar", "cpu"), ("gpu", "gpu-cuda")])
def test_an_image_holds_what_runs_and_not_what_builds(
    stages: dict[str, list[Instruction]], target: str, extra: str
) -> None:
    copies = [re.fullmatch(r"--from=(\w+) (\S+) \S+", rest) for rest in those(lineage(stages, target), "COPY")]
    origins = {copy[2]: copy[1] for copy in copies if copy}
    assert len(origins) == len(copies) == 2
    assert origins["/models"] == "model"
    syncs = [rest for rest in those(stages[origins["/opt/driftwarden"]], "RUN") if "uv sync" in rest]
    assert [re.findall(r"--extra (\S+)", rest) for rest in syncs] == [[extra, "worker"]] * 2
    assert all("--frozen --no-dev" in rest for rest in syncs)


def test_the_default_target_is_the_sidecar(stages: dict[str, list[Instruction]]) -> None:
    assert list(stages)[-1] == "sidecar"


def test_every_base_image_names_its_version(stages: dict[str, list[Instruction]]) -> None:
    (image,) = those(stages[""], "ARG")
    bases = {stage[0][1].split(" AS ")[0] for name, stage in stages.items() if name}
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+-slim-\w+", image)
    assert bases - set(stages) == {"${PYTHON_IMAGE}"}


def test_everything_that_is_copied_reaches_the_builder(stages: dict[str, list[Instruction]], root: Path) -> None:
    lines = [line for line in (root / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    let_in = {line[1:] for line in lines if line[0] == "!"}
    copied = {
        word.removeprefix("./")
        for stage in stages.values()
        for rest in those(stage, "COPY")
        if not rest.startswith("--from")
        for word in rest.split()[:-1]
    }
    assert lines[0] == "*"
    assert copied == let_in
    assert all((root / name).exists() for name in copied)
    assert not any(fnmatch.fnmatch("monitor/settings.py", line) for line in lines[1:])


def test_versions_are_told_once_and_the_same_everywhere(stages: dict[str, list[Instruction]], root: Path) -> None:
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    (uv,) = those(stages["build"], "ARG")
    labels = " ".join(those(stages["base"], "LABEL"))
    assert f'org.opencontainers.image.version="{version}"' in labels
    assert f"driftwarden:{version}}}" in (root / "deploy" / "compose.yaml").read_text()
    assert uv.replace("=", " := ") in (root / "Makefile").read_text().splitlines()


@pytest.mark.parametrize(("path", "code"), [("/livez", 0), ("/elsewhere", 1)])
def test_the_health_check_tells_a_server_that_answers(
    stages: dict[str, list[Instruction]], path: str, code: int
) -> None:
    """The command of the image, run against our server; under another path nobody answers it."""
    (check,) = those(stages["base"], "HEALTHCHECK")
    command = json.loads(check[check.index("[") :])
    app = FastAPI()
    app.include_router(health.routes(dict, bytes), prefix="" if path == "/livez" else path)
    address: list[str] = []
    listening, stopped = threading.Event(), threading.Event()

    def listen(told: str) -> None:
        address.append(told)
        listening.set()

    thread = threading.Thread(
        target=serve, args=(app,), kwargs={"host": "127.0.0.1", "port": 0, "stopped": stopped, "listening": listen}
    )
    thread.start()
    try:
        assert listening.wait(10)
        port = address[0].rpartition(":")[2]
        answered = ask(command, port)
    finally:
        stopped.set()
        thread.join(20)
    assert command[0] == "python"
    assert answered == code
    assert ask(command, port) == 1  # nobody is there any more


def ask(command: list[str], port: str) -> int:
    environment = {"DRIFTWARDEN_WEB__PORT": port}
    return subprocess.run(
        [sys.executable, *command[1:]], env=environment, check=False, stderr=subprocess.DEVNULL
    ).returncode
