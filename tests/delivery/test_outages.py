"""What is away is waited for; what is wrong is told in one sentence, with the exit code that means: not again."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.kafka import topics
from monitor.kafka.sink import KafkaSink
from monitor.storage.engine import connect
from tests.conftest import Broker
from tests.delivery.audit import log_end
from tests.delivery.conftest import Server
from tests.delivery.sidecar import Sidecar, caught_up
from tests.delivery.traffic import Traffic

WRONG_SETTING, AWAY = 78, 1
COUNT = 200


@pytest.fixture
def sidecar(server: Server, kafka: Broker, tmp_path: Path) -> Sidecar:
    """Migrated, with its topics there."""
    made = Sidecar(tmp_path, server.fresh(), kafka.bootstrap)
    assert made.call("migrate").returncode == 0
    topics.ensure(made.config)
    return made


@pytest.fixture
def engine(sidecar: Sidecar) -> Iterator[sa.Engine]:
    made = connect(sidecar.database_url)
    yield made
    made.dispose()


def publish(sidecar: Sidecar, first: int) -> int:
    """``COUNT`` traces from number ``first`` on; where the topic ends then."""
    traffic, sink = Traffic(datetime.now(UTC) - timedelta(days=1)), KafkaSink(sidecar.config, sidecar.topic)
    for number in range(first, first + COUNT):
        record = traffic.good(number)
        sink.send(record.key, record.value, record.headers)
    sink.flush()
    sink.close()
    return log_end(sidecar.config)


def stored(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM v_traces").scalar_one())


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failed start wrote."""
    (line,) = done.stderr.splitlines()
    assert line.startswith("driftwarden: ")
    return line


def test_a_database_that_is_away_at_the_start_is_waited_for_and_told_of_once(
    server: Server, sidecar: Sidecar, engine: sa.Engine
) -> None:
    end = publish(sidecar, 0)
    engine.dispose()
    server.crash()
    with sidecar.running("consume") as consumer:
        consumer.until(lambda: "trying again" in consumer.said(), "word of the database")
        server.start()
        consumer.until(lambda: caught_up(engine, sidecar.topic, end), "the traces")
        code = consumer.stop()
    told = [line for line in consumer.said().splitlines() if "trying again" in line]
    assert (code, stored(engine)) == (0, COUNT)
    assert "is away" in told[0]
    assert len(told) == len(set(told))
    assert "Traceback" not in consumer.said()


def test_a_database_killed_midway_is_waited_for(server: Server, sidecar: Sidecar, engine: sa.Engine) -> None:
    half = publish(sidecar, 0)
    with sidecar.running("consume") as consumer:
        consumer.until(lambda: caught_up(engine, sidecar.topic, half), "the first half")
        engine.dispose()
        server.crash()
        end = publish(sidecar, COUNT)
        consumer.until(lambda: '"event":"away"' in consumer.said(), "word of the database")
        server.start()
        consumer.until(lambda: caught_up(engine, sidecar.topic, end), "the second half")
        consumer.until(lambda: '"event":"back"' in consumer.said(), "word of its return")
        code = consumer.stop()
    assert (code, stored(engine)) == (0, 2 * COUNT)
    assert "Traceback" not in consumer.said()


def test_a_wrong_password_is_a_wrong_setting_and_is_not_told(server: Server, sidecar: Sidecar) -> None:
    rules = server.folder / "data" / "pg_hba.conf"
    rules.write_text(f"local all locked scram-sha-256\n{rules.read_text()}")
    administrator = connect(server.url)
    with administrator.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS locked")
        connection.exec_driver_sql("CREATE ROLE locked LOGIN PASSWORD 'right'")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    administrator.dispose()
    url = sidecar.database_url.replace("driftwarden@", "locked:not-this-one@")
    done = replace(sidecar, database_url=url).call("consume")
    assert done.returncode == WRONG_SETTING
    assert "refuses us" in sentence(done)
    assert 'password authentication failed for user "locked"' in sentence(done)
    assert "not-this-one" not in done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_an_unknown_broker_is_told_by_its_address(sidecar: Sidecar, host: str) -> None:
    address = f"{host}:{closed_port()}"
    done = replace(sidecar, bootstrap=address).call("consume")
    assert done.returncode == AWAY
    assert f"no Kafka broker answers at {address}" in sentence(done)
    assert "DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS" in sentence(done)


def test_a_missing_topic_is_told_with_the_command_that_makes_it(sidecar: Sidecar) -> None:
    done = replace(sidecar, topic=f"{sidecar.topic}.missing").call("consume")
    assert done.returncode == WRONG_SETTING
    assert f"has no topic '{sidecar.topic}.missing'" in sentence(done)
    assert "--create --topic" in sentence(done)


def test_a_database_without_tables_is_told_with_the_command_that_makes_them(server: Server, sidecar: Sidecar) -> None:
    done = replace(sidecar, database_url=server.fresh()).call("consume")
    assert done.returncode == WRONG_SETTING
    assert sentence(done).endswith("run `driftwarden migrate`")


def test_an_empty_topic_is_watched_in_silence(sidecar: Sidecar, engine: sa.Engine) -> None:
    def looked_at() -> int:
        with engine.connect() as connection:
            return int(
                connection.exec_driver_sql(
                    "SELECT count(*) FROM v_partitions WHERE next = 0 AND lag = 0 AND seen_at > data_at"
                ).scalar_one()
            )

    with sidecar.running("consume") as consumer:
        consumer.until(lambda: looked_at() == 6, "all partitions to be looked at")
        code = consumer.stop()
    assert code == 0
    assert [word for word in ("Traceback", "warning", "error") if word in consumer.said()] == []


def test_a_model_folder_that_cannot_be_written_is_told_by_its_name(sidecar: Sidecar) -> None:
    done = sidecar.call("models", "build", "--to", "/proc/driftwarden/model")
    assert done.returncode == WRONG_SETTING
    assert "cannot write /proc/driftwarden" in sentence(done)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("DRIFTWARDEN_DATABSE__URL", "unknown settings: DRIFTWARDEN_DATABSE__URL; expected DRIFTWARDEN_DATABASE__…"),
        ("DRIFTWARDEN_DATABASE__URLL", "DRIFTWARDEN_DATABASE__URLL: there is no such setting"),
        ("DRIFTWARDEN_DRIFT__PANE_S", "DRIFTWARDEN_DRIFT__PANE_S: Input should be a valid number"),
    ],
)
def test_a_setting_that_is_none_is_told_by_its_name(sidecar: Sidecar, name: str, words: str) -> None:
    done = replace(sidecar, more={name: "secret"}).call("consume")
    assert done.returncode == WRONG_SETTING
    assert words in sentence(done)
