"""Settings that could only fail later are refused with the setting, the value and the limit."""

from pathlib import Path
from typing import Any

import pytest

from monitor.kafka import KafkaConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bootstrap_servers": "broker"}, "bootstrap_servers: expected host:port"),
        ({"bootstrap_servers": "broker:9092,other:70000"}, "got 'broker:9092,other:70000'"),
        ({"topic": "llm traces"}, "topic: expected 1 to 249 of the characters a-z A-Z 0-9 . _ -, got 'llm traces'"),
        ({"dead_letter_topic": "llm.traces.v1"}, "dead_letter_topic: expected another topic"),
        ({"feedback_topic": "llm.traces.v1"}, "feedback_topic: expected another topic"),
        ({"group_id": ""}, "group_id: expected at least 1 character, got ''"),
        ({"start": "middle"}, "start: expected one of earliest, latest, got 'middle'"),
        ({"max_poll_records": 0}, "max_poll_records: expected 1 to 100,000, got 0"),
        ({"max_poll_bytes": 1_000}, "max_poll_bytes: expected 65,536 to 1,073,741,824, got 1,000"),
        ({"session_timeout_s": 0.5}, "session_timeout_s: expected 1 to 1,800, got 0.5"),
        ({"security_protocol": "TLS"}, "security_protocol: expected one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        ({"security_protocol": "SASL_SSL"}, "sasl_mechanism: expected one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        ({"sasl_mechanism": "PLAIN"}, "sasl_mechanism: expected none with security_protocol PLAINTEXT, got 'PLAIN'"),
        ({"ssl_cafile": "/nowhere/ca.pem"}, "ssl_cafile: expected a file, got '/nowhere/ca.pem'"),
    ],
)
def test_a_bad_setting_is_named_with_its_value_and_limit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        KafkaConfig(**{"bootstrap_servers": "broker:9092", **settings})

    assert message in str(refused.value)


def test_a_user_without_a_password_is_refused() -> None:
    with pytest.raises(ValueError, match="sasl_username and sasl_password: expected both"):
        KafkaConfig("broker:9092", security_protocol="SASL_SSL", sasl_mechanism="PLAIN", sasl_username="ingest")


def test_no_password_is_in_the_repr(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.touch()
    config = KafkaConfig(
        "one:9092,two:9092",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="ingest",
        sasl_password="hunter2",
        ssl_cafile=str(authority),
        ssl_password="hunter3",
    )

    assert "hunter" not in repr(config)
    assert "ingest" in repr(config)
