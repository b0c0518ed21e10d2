"""One call gives the addresses, the next finds the same, and `down` leaves no process."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.dev import kafka, postgres, services

GIVEN = {
    "DRIFTWARDEN_DATABASE__URL": "postgresql+psycopg://someone:secret@db.example/traces",
    "DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS": "broker.example:9092",
}


@pytest.fixture
def folder(service_folder: Path) -> Iterator[Path]:
    path = service_folder / "services"
    yield path
    services.down(path)


def test_up_twice_gives_the_same_addresses_and_down_ends_both(folder: Path) -> None:
    first = services.up(folder, environ={})
    second = services.up(folder, environ={})
    while_up = services.status(folder)
    services.down(folder)

    assert (
        first
        == second
        == services.Services(
            database_url=f"postgresql+psycopg://driftwarden@/driftwarden?host={folder}/postgres",
            database_source="local",
            bootstrap_servers=first.bootstrap_servers,
            kafka_source="local",
        )
    )
    assert [(each.name, each.address, each.running) for each in while_up] == [
        ("postgres", first.database_url, True),
        ("kafka", first.bootstrap_servers, True),
    ]
    assert services.status(folder) == ()
    assert postgres.address(folder / "postgres") is None
    assert kafka.address(folder / "kafka") is None


def test_the_environment_wins_and_nothing_is_started(folder: Path) -> None:
    told: list[str] = []

    given = services.up(folder, environ=GIVEN, report=told.append)

    assert (given.database_url, given.database_source) == (GIVEN["DRIFTWARDEN_DATABASE__URL"], "environment")
    assert (given.bootstrap_servers, given.kafka_source) == ("broker.example:9092", "environment")
    assert [each.running for each in services.status(folder)] == [None, None]
    assert services.current(folder) == given
    assert not any("secret" in sentence for sentence in told)


def test_addresses_are_kept_for_the_owner_alone(folder: Path) -> None:
    services.up(folder, environ=GIVEN)

    assert stat.S_IMODE((folder / "services.json").stat().st_mode) == 0o600


def test_without_java_there_is_no_broker_and_the_reason_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    told: list[str] = []

    found = services.up(
        folder, environ={"DRIFTWARDEN_DATABASE__URL": GIVEN["DRIFTWARDEN_DATABASE__URL"]}, report=told.append
    )

    assert (found.bootstrap_servers, found.kafka_source) == (None, "none")
    assert "apt-get install openjdk-17-jre-headless maven" in found.why_no_kafka
    assert found.why_no_kafka in told[-1]


def test_down_without_up_does_nothing(tmp_path: Path) -> None:
    services.down(tmp_path / "never")

    assert services.status(tmp_path / "never") == ()
    assert not (tmp_path / "never").exists()
