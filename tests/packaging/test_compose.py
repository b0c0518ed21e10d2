"""The compose file names what the program has: commands, settings, topics."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.cli import COMMANDS
from monitor.kafka.config import KafkaConfig
from monitor.kafka.topics import LARGEST_DEAD_LETTER, LARGEST_RECORD, MIB
from monitor.settings import Settings
from monitor.wiring import ROLES


@pytest.fixture(scope="module")
def variables(root: Path) -> dict[str, str]:
    """What a person gets who copies the example."""
    lines = [line for line in (root / "deploy" / ".env.example").read_text().splitlines() if line and line[0] != "#"]
    return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}


@pytest.fixture(scope="module")
def compose(root: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """The file with its variables filled in, and nothing else in the environment."""

    def filled(match: re.Match[str]) -> str:
        return variables.get(match[1]) or match[3] or ""

    text = (root / "deploy" / "compose.yaml").read_text()
    parsed = yaml.safe_load(re.sub(r"\$\{(\w+)(:[-?])?([^}]*)\}", filled, text))
    assert isinstance(parsed, dict)
    return parsed


def services(compose: Mapping[str, Any]) -> dict[str, Any]:
    """Those that run the program, by their name."""
    return {name: found for name, found in compose["services"].items() if found["image"].startswith("driftwarden:")}


def test_every_role_runs_in_a_container_of_its_own(compose: Mapping[str, Any]) -> None:
    commands = {name: found["command"] for name, found in services(compose).items()}
    assert commands == {name: [name] for name in (*ROLES, "migrate")}
    assert set(commands) <= set(COMMANDS)


def test_the_program_reads_the_settings_of_every_container(
    compose: Mapping[str, Any], settings_of: Callable[[Mapping[str, object]], Settings]
) -> None:
    read = {name: settings_of(found["environment"]) for name, found in services(compose).items()}
    kafka = {settings.kafka and settings.kafka.bootstrap_servers for settings in read.values()}
    url = {settings.database.url for settings in read.values()}
    assert kafka == {"kafka:9092"}
    assert url == {"postgresql://driftwarden:replace-me@postgres:5432/driftwarden"}
    assert read["serve"].web.token == read["guard"].guard.token == read["worker"].worker.token
    assert read["serve"].web.token == "replace-me-with-24-bytes"
    assert [f"{policy}:ro" for policy in read["guard"].guard.policies] == [
        mount.partition(":")[2] for mount in compose["services"]["guard"]["volumes"]
    ]


def test_receivers_of_alerts_may_be_named_in_the_environment(
    root: Path, settings_of: Callable[[Mapping[str, object]], Settings]
) -> None:
    example = re.search(r"^#DRIFTWARDEN_WEBHOOK__ENDPOINTS='(.*)'$", (root / "deploy/.env.example").read_text(), re.M)
    assert example is not None
    endpoints = json.loads(example[1].replace("whsec_…", "whsec_" + "QUJD" * 8))
    read = settings_of({"DRIFTWARDEN_WEBHOOK__ENDPOINTS": json.dumps(endpoints)})
    assert [endpoint.url for endpoint in read.webhook.endpoints] == ["https://alerts.example.com/driftwarden"]


def test_a_language_model_as_judge_may_be_named_in_the_environment(
    root: Path, compose: Mapping[str, Any], settings_of: Callable[[Mapping[str, object]], Settings]
) -> None:
    named = dict(re.findall(r"^#(DRIFTWARDEN_JUDGE__\w+)=(.*)$", (root / "deploy/.env.example").read_text(), re.M))
    passed = compose["services"]["judge"]["environment"]
    assert {name for name, value in passed.items() if value is None} == set(named)
    assert settings_of(passed).judge.url is None
    assert settings_of(passed | named).judge.model == "qwen3-4b"


def test_the_endpoint_of_canaries_may_be_named_in_the_environment(
    root: Path, compose: Mapping[str, Any], settings_of: Callable[[Mapping[str, object]], Settings]
) -> None:
    named = dict(re.findall(r"^#(DRIFTWARDEN_CANARY__\w+)=(.*)$", (root / "deploy/.env.example").read_text(), re.M))
    passed = compose["services"]["canary"]["environment"]
    assert {name for name, value in passed.items() if value is None} == set(named)
    assert settings_of(passed).canary.url is None
    assert settings_of(passed | named).canary.url == "http://worker:8323/v1"


def test_the_topics_are_those_that_the_program_reads_and_writes(compose: Mapping[str, Any]) -> None:
    script = compose["services"]["topics"]["command"][-1]
    config = KafkaConfig("kafka:9092")
    made = dict(re.findall(r"^create (\S+) (\d+)$", script, re.MULTILINE))
    assert made == {
        config.topic: str(LARGEST_RECORD),
        config.dead_letter_topic: str(LARGEST_DEAD_LETTER),
        config.feedback_topic: str(MIB),
    }


def test_roles_start_after_the_schema_and_the_topics(compose: Mapping[str, Any]) -> None:
    done = {"condition": "service_completed_successfully"}
    healthy = {"condition": "service_healthy"}
    assert all(services(compose)[role]["depends_on"] == {"migrate": done, "topics": done} for role in ROLES)
    assert compose["services"]["migrate"]["depends_on"] == {"postgres": healthy}
    assert compose["services"]["topics"]["depends_on"] == {"kafka": healthy}
    assert all("healthcheck" in compose["services"][name] for name in ("postgres", "kafka", "serve"))


def test_nothing_is_published_beyond_this_machine(compose: Mapping[str, Any]) -> None:
    ports = [port for found in compose["services"].values() for port in found.get("ports", [])]
    assert ports == [f"127.0.0.1:{port}:{port}" for port in (9094, 8321, 8322, 8323, 8324)]


def test_containers_of_ours_can_neither_write_nor_gain_rights(compose: Mapping[str, Any]) -> None:
    for found in services(compose).values():
        assert found["read_only"] is True
        assert found["cap_drop"] == ["ALL"]
        assert found["security_opt"] == ["no-new-privileges:true"]


def test_no_secret_stands_in_the_file(root: Path) -> None:
    text = (root / "deploy" / "compose.yaml").read_text()
    assert re.findall(r"PASSWORD: (?!\$\{)", text) == []
    assert re.findall(r"TOKEN: (?!\$\{)", text) == []
    assert re.findall(r"://\w+:(?!\$\{POSTGRES_PASSWORD)[^@\s]+@", text) == []
