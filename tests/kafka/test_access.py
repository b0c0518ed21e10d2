"""A broker that asks who we are: the right password opens it, a wrong one is said at once and never shown."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from monitor.dev import kafka as service
from monitor.dev.processes import end, free_port, spawn, wait_until
from monitor.errors import Permanent, Transient
from monitor.kafka import KafkaConfig, KafkaSink, KafkaSource, topics
from monitor.kafka.login import login_refused
from tests.kafka.support import Keeper

LOGIN = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    'username="broker" password="between" user_broker="between" user_ingest="good";'
)


@pytest.fixture(scope="module")
def guarded(service_folder: Path) -> Iterator[KafkaConfig]:
    """A broker that takes the user ``ingest`` with the password ``good``."""
    home, port, controller = service_folder / "guarded", free_port(), free_port()
    home.mkdir()
    properties = home / "server.properties"
    properties.write_text(
        "\n".join(
            (
                "process.roles=broker,controller",
                "node.id=1",
                f"controller.quorum.voters=1@127.0.0.1:{controller}",
                f"listeners=GUARDED://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
                "controller.listener.names=CONTROLLER",
                "inter.broker.listener.name=GUARDED",
                "listener.security.protocol.map=CONTROLLER:PLAINTEXT,GUARDED:SASL_PLAINTEXT",
                "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256",
                "sasl.mechanism.inter.broker.protocol=PLAIN",
                f"listener.name.guarded.plain.sasl.jaas.config={LOGIN}",
                "listener.name.guarded.scram-sha-256.sasl.jaas.config="
                "org.apache.kafka.common.security.scram.ScramLoginModule required;",
                f"log.dirs={home / 'data'}",
                "offsets.topic.num.partitions=1",
                "offsets.topic.replication.factor=1",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1",
                "group.initial.rebalance.delay.ms=0",
            )
        )
    )
    java = shutil.which("java")
    assert java, service.INSTALL
    command = [java, "-Xmx256m", "-XX:+UseSerialGC", "-cp", f"{service.install(service.cache_folder())}/*"]
    identity = ["-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", str(properties)]
    subprocess.run([*command, "kafka.tools.StorageTool", "format", *identity], check=True, capture_output=True)
    process = spawn([*command, "kafka.Kafka", str(properties)], log=home / "broker.log", pid_file=home / "pid")
    config = KafkaConfig(
        f"127.0.0.1:{port}",
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_username="ingest",
        sasl_password="good",
        connect_timeout_s=2.0,
    )
    try:
        assert wait_until(lambda: answers(config), deadline_s=60), (home / "broker.log").read_text()
        yield config
    finally:
        end([process], grace_s=0)


def answers(config: KafkaConfig) -> bool:
    try:
        topics.ensure(config, partitions=1)
    except (Transient, Permanent):
        return False
    return True


def with_scram(guarded: KafkaConfig) -> KafkaConfig:
    """The same broker by SCRAM, for a user ``careful`` with the password ``good``."""
    admin = KafkaAdminClient(
        bootstrap_servers=guarded.bootstrap_servers,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username="ingest",
        sasl_plain_password="good",
    )
    admin.alter_user_scram_credentials([UserScramCredentialUpsertion("careful", ScramMechanism.SCRAM_SHA_256, "good")])
    admin.close()
    return replace(guarded, sasl_mechanism="SCRAM-SHA-256", sasl_username="careful")


def test_the_right_password_reads_and_writes(guarded: KafkaConfig) -> None:
    sink = KafkaSink(guarded, guarded.topic)
    sink.send(b"k", b"v", {})
    sink.flush()
    sink.close()
    careful = with_scram(guarded)
    assert wait_until(lambda: answers(careful), deadline_s=20)
    source, keeper = KafkaSource(careful, emit=lambda event: None), Keeper()
    keeper.run(source, until=lambda: len(keeper.records) == 1)
    source.close()

    assert keeper.values() == [b"v"]
    assert not login_refused(guarded)
    assert not login_refused(careful)


@pytest.mark.parametrize(("mechanism", "user"), [("PLAIN", "ingest"), ("SCRAM-SHA-256", "careful")])
def test_a_wrong_password_is_permanent_and_not_shown(guarded: KafkaConfig, mechanism: str, user: str) -> None:
    with_scram(guarded)
    secret = f"bad{uuid4().hex}"
    wrong = {"sasl_mechanism": mechanism, "sasl_username": user, "sasl_password": secret}
    config = KafkaConfig(guarded.bootstrap_servers, security_protocol="SASL_PLAINTEXT", connect_timeout_s=0.5, **wrong)

    with pytest.raises(Permanent) as read:
        KafkaSource(config, emit=lambda event: None)
    with pytest.raises(Permanent) as written:
        KafkaSink(config, config.topic).send(b"k", b"v", {})

    sentence = (
        f"Kafka at {config.bootstrap_servers} refuses user {user!r} by {mechanism} "
        "(DRIFTWARDEN_KAFKA__SASL_USERNAME, DRIFTWARDEN_KAFKA__SASL_PASSWORD)"
    )
    assert [str(read.value), str(written.value)] == [sentence, sentence]


def test_a_mechanism_the_broker_does_not_take_is_permanent(guarded: KafkaConfig) -> None:
    config = replace(guarded, sasl_mechanism="SCRAM-SHA-512", connect_timeout_s=0.5)

    with pytest.raises(Permanent, match="refuses user 'ingest' by SCRAM-SHA-512"):
        KafkaSource(config, emit=lambda event: None)


def test_an_address_without_a_broker_is_said_with_the_protocol() -> None:
    config = KafkaConfig(f"127.0.0.1:{free_port()}", security_protocol="SSL", connect_timeout_s=0.5)

    with pytest.raises(Transient, match=r"no Kafka broker answers at 127\.0\.0\.1:\d+ over SSL \(DRIFTWARDEN_KAFKA__B"):
        KafkaSource(config, emit=lambda event: None)
