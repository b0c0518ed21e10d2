"""The real source against a real broker, beyond what every source keeps."""

import sys
import time
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient, TopicPartition

from monitor.dev.processes import free_port
from monitor.errors import Permanent, Transient
from monitor.events import Event
from monitor.kafka import KafkaConfig, KafkaSource
from tests.conftest import Broker
from tests.kafka import support
from tests.kafka.support import Keeper


def unheard(event: Event) -> None:
    raise AssertionError(f"nothing happened, yet: {event}")


def test_a_record_of_five_megabytes_comes_through(kafka: Broker) -> None:
    config = support.prepared(kafka, max_poll_bytes=2**20)
    large = bytes(range(256)) * 20_000
    support.publish(config, [b"before", large, b"after"])
    source, keeper = KafkaSource(config, emit=unheard), Keeper()

    keeper.run(source, until=lambda: len(keeper.records) == 3)
    source.close()

    assert len(large) == 5_120_000
    assert keeper.values() == [b"before", large, b"after"]


def test_stored_positions_become_the_groups_offsets_for_lag_tools(kafka: Broker) -> None:
    config = support.prepared(kafka)
    support.publish(config, [b"0", b"1", b"2"])
    source, keeper = KafkaSource(config, emit=unheard), Keeper()
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    place = TopicPartition(config.topic, 0)

    def committed() -> int | None:
        groups = admin.list_group_offsets([config.group_id])
        found = groups[config.group_id].get(place)
        return found.offset if found else None

    keeper.run(source, until=lambda: committed() == 3)
    admin.close()
    source.close()

    assert keeper.values() == [b"0", b"1", b"2"]


def test_the_groups_offsets_do_not_decide_where_reading_begins(kafka: Broker) -> None:
    config = support.prepared(kafka)
    support.publish(config, [b"0", b"1", b"2"])
    first, keeper = KafkaSource(config, emit=unheard), Keeper()
    keeper.run(first, until=lambda: len(keeper.records) == 3)
    first.close()

    restored = Keeper(dict.fromkeys(keeper.positions, 1))
    second = KafkaSource(config, emit=unheard)
    restored.run(second, until=lambda: len(restored.records) == 2)
    second.close()

    assert restored.values() == [b"1", b"2"]


def test_a_new_partition_may_begin_at_its_end(kafka: Broker) -> None:
    config = support.prepared(kafka, start="latest")
    support.publish(config, [b"old", b"old"])
    source, keeper = KafkaSource(config, emit=unheard), Keeper()
    keeper.run(source, until=lambda: len(source.idle()) == 1)

    support.publish(config, [b"new"])
    keeper.run(source, until=lambda: len(keeper.records) > 0)
    source.close()

    assert keeper.values() == [b"new"]


def test_a_record_without_value_key_or_headers_is_empty_bytes(kafka: Broker) -> None:
    config = support.prepared(kafka)
    support.publish(config, [None], key=b"tombstone", headers={"h": b""})
    source, keeper = KafkaSource(config, emit=unheard), Keeper()
    keeper.run(source, until=lambda: len(keeper.records) == 1)
    source.close()

    assert [(each.value, each.key, each.headers) for each in keeper.records] == [(b"", b"tombstone", {"h": b""})]


def test_an_address_without_a_broker_is_named(kafka: Broker) -> None:
    config = KafkaConfig(f"127.0.0.1:{free_port()}", connect_timeout_s=0.5)
    began = time.monotonic()

    with pytest.raises(Transient) as away:
        KafkaSource(config, emit=unheard)

    assert str(away.value) == (
        f"no Kafka broker answers at {config.bootstrap_servers} (DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS)"
    )
    assert time.monotonic() - began < 3


def test_an_unknown_topic_is_said_at_start(kafka: Broker) -> None:
    name = uuid4().hex

    with pytest.raises(Permanent, match=f"has no topic '{name}'"):
        KafkaSource(KafkaConfig(kafka.bootstrap, topic=name), emit=unheard)


def test_without_the_fast_checksum_it_does_not_start(kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    config = support.prepared(kafka)
    monkeypatch.setitem(sys.modules, "crc32c", None)

    with pytest.raises(Permanent, match=r"17 times slower: install kafka-python\[crc32c\]"):
        KafkaSource(config, emit=unheard)


def test_nothing_is_printed(kafka: Broker, capfd: pytest.CaptureFixture[str]) -> None:
    config = support.prepared(kafka)
    support.publish(config, [b"0"])
    source, keeper = KafkaSource(config, emit=unheard), Keeper()
    keeper.run(source, until=lambda: len(keeper.records) == 1)
    source.close()

    assert capfd.readouterr() == ("", "")
