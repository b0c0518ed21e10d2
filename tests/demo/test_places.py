from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import msgspec
import pytest

from monitor.demo.places import (
    Pager,
    Places,
    broker_of,
    configured,
    drop_database,
    fresh_database,
    remove_topic,
    settings_of,
)
from monitor.dev.processes import wait_until
from monitor.dev.services import Services
from monitor.errors import Permanent
from monitor.kafka.topics import ensure, partition_count
from monitor.loading import load_settings
from monitor.storage.engine import connect, guarded
from tests.conftest import Broker

PAGER = Pager("http://127.0.0.1:9/pager", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")


def databases(url: str) -> set[str]:
    engine = connect(url)
    with engine.connect() as connection:
        found = {row.datname for row in connection.exec_driver_sql("SELECT datname FROM pg_database")}
    engine.dispose()
    return found


def test_a_fresh_database_is_there_till_it_is_dropped(postgres_url: str) -> None:
    url = fresh_database(postgres_url, "demo_places")
    during = databases(postgres_url)
    holder = connect(url)
    with holder.connect() as connection:
        connection.exec_driver_sql("SELECT 1")  # somebody is still connected
        drop_database(url)
        connection.invalidate()
    holder.dispose()
    assert "demo_places" in during
    assert "demo_places" not in databases(postgres_url)


def test_a_server_that_refuses_is_told_of(postgres_url: str) -> None:
    url = fresh_database(postgres_url, "demo_gone")
    drop_database(url)
    with pytest.raises(Permanent, match='database "demo_gone" does not exist'), guarded(connect(url)):
        connect(url).connect()


def test_topics_of_a_run_are_made_and_removed(kafka: Broker, topic: Callable[[str], str]) -> None:
    config = configured(kafka.bootstrap, topic("demo"), {})
    made = ensure(config)
    remove_topic(config.topic, {"DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap})

    def gone() -> bool:  # the broker answers before it is done
        with suppress(Permanent):
            return partition_count(config) == 0
        return True

    assert set(made) == {config.topic, f"{config.topic}.dlq", f"{config.topic}.feedback"}
    assert wait_until(gone, deadline_s=20)


def test_a_login_of_the_environment_holds_for_its_broker_and_for_no_other() -> None:
    login = {
        "DRIFTWARDEN_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "DRIFTWARDEN_KAFKA__SASL_MECHANISM": "PLAIN",
        "DRIFTWARDEN_KAFKA__SASL_USERNAME": "me",
        "DRIFTWARDEN_KAFKA__SASL_PASSWORD": "secret",
        "DRIFTWARDEN_KAFKA__CONNECT_TIMEOUT_S": "3.5",
        "DRIFTWARDEN_KAFKA__TOPIC": "llm.traces.v1",
    }
    theirs = broker_of(Services("", "local", "broker:9092", "environment"), "demo.1", login)
    ours = broker_of(Services("", "local", "127.0.0.1:9092", "local"), "demo.1", login)
    assert theirs is not None
    assert ours is not None
    assert (theirs.sasl_username, theirs.connect_timeout_s, theirs.topic) == ("me", 3.5, "demo.1")
    assert (ours.security_protocol, ours.sasl_username, ours.topic) == ("PLAINTEXT", None, "demo.1")
    assert broker_of(Services("", "local", None, "none", "no Java"), "demo.1", login) is None


def test_a_wrong_setting_of_the_broker_is_named() -> None:
    with pytest.raises(Permanent, match="connect_timeout_s"):
        configured("broker:9092", "demo.1", {"DRIFTWARDEN_KAFKA__CONNECT_TIMEOUT_S": "soon"})


def test_the_sidecar_gets_its_own_settings_and_none_of_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {
        "PATH": "/bin",
        "DRIFTWARDEN_CONFIG": "/etc/production.toml",
        "DRIFTWARDEN_WEB__TOKEN": "a-token-of-production",
        "DRIFTWARDEN_EMBEDDING__THREADS": "2",
        "DRIFTWARDEN_CACHE": "/cache",
    }
    broker = configured("broker:9092", "demo.1", {})
    found = settings_of(
        Places("postgresql://db/demo", broker, 8399, 8398),
        PAGER,
        reference=300,
        pane=timedelta(seconds=1),
        environ=environ,
    )
    for name in [*environ, *found]:
        monkeypatch.delenv(name, raising=False)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()

    assert found.keys() >= {"PATH", "DRIFTWARDEN_CACHE"}
    assert "DRIFTWARDEN_CONFIG" not in found
    assert settings.database.url == "postgresql://db/demo"
    assert settings.kafka == broker
    assert (settings.web.token, settings.web.port, settings.embedding.threads) == (None, 8399, 2)
    assert (settings.drift.reference_traces, settings.drift.pane_s, settings.drift.false_alarms) == (300, 1.0, 1.0)
    assert (settings.worker.port, settings.worker.sidecar) == (8398, None)
    (endpoint,) = settings.webhook.endpoints
    assert (endpoint.url, endpoint.secret, endpoint.allow) == (PAGER.url, PAGER.secret, ("127.0.0.0/8",))
    assert msgspec.json.decode(found["DRIFTWARDEN_WEBHOOK__ENDPOINTS"])[0]["name"] == "pager"


def test_without_a_broker_the_worker_sends_its_traces_to_the_sidecar() -> None:
    places = Places("postgresql://db/demo", None, 8399, 8398)
    found = settings_of(places, PAGER, reference=300, pane=timedelta(seconds=1), environ={})
    assert found["DRIFTWARDEN_WORKER__SIDECAR"] == "http://127.0.0.1:8399"
    assert not any(name.startswith("DRIFTWARDEN_KAFKA__") for name in found)
