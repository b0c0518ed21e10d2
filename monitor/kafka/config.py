"""How to reach Kafka and what to read there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

MIB = 2**20
TOPIC_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True)
class KafkaConfig:
    """Settings of one cluster; ``start`` says where a partition that was never read begins.

    With ``start="latest"`` a partition added later begins at its end too, so what was written before it was noticed
    (a minute) is not read.
    """

    bootstrap_servers: str
    topic: str = "llm.traces.v1"
    dead_letter_topic: str = "llm.traces.v1.dlq"
    feedback_topic: str = "llm.feedback.v1"
    group_id: str = "driftwarden"
    client_id: str = "driftwarden"
    start: Literal["earliest", "latest"] = "earliest"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_password: str | None = field(default=None, repr=False)
    ssl_check_hostname: bool = True
    connect_timeout_s: float = 10.0
    delivery_timeout_s: float = 30.0
    session_timeout_s: float = 30.0
    max_poll_records: int = 1_000
    max_poll_bytes: int = 16 * MIB

    def __post_init__(self) -> None:
        """Refuse values that could only fail later.

        Raises:
            ValueError: the message names the setting, its value and the limit.
        """
        for server in self.bootstrap_servers.split(","):
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdecimal() or not 1 <= int(port) <= 65_535:
                raise ValueError(f"bootstrap_servers: expected host:port[,host:port…], got {self.bootstrap_servers!r}")
        self._check_topics()
        self._check_security()
        self._check_range("connect_timeout_s", self.connect_timeout_s, 0.1, 600)
        self._check_range("delivery_timeout_s", self.delivery_timeout_s, 1, 600)
        self._check_range("session_timeout_s", self.session_timeout_s, 1, 1_800)
        self._check_range("max_poll_records", self.max_poll_records, 1, 100_000)
        self._check_range("max_poll_bytes", self.max_poll_bytes, 64 * 1024, 1_024 * MIB)

    def _check_topics(self) -> None:
        topics = {name: getattr(self, name) for name in ("topic", "dead_letter_topic", "feedback_topic")}
        for name, value in topics.items():
            if not TOPIC_NAME.fullmatch(value) or value in (".", ".."):
                raise ValueError(f"{name}: expected 1 to 249 of the characters a-z A-Z 0-9 . _ -, got {value!r}")
        for name in ("dead_letter_topic", "feedback_topic"):
            if self.topic == topics[name]:
                raise ValueError(f"{name}: expected another topic than that of the traces, got {self.topic!r}")
        for name, value in (("group_id", self.group_id), ("client_id", self.client_id)):
            if not value:
                raise ValueError(f"{name}: expected at least 1 character, got {value!r}")
        _check_choice("start", self.start, ("earliest", "latest"))

    def _check_security(self) -> None:
        _check_choice("security_protocol", self.security_protocol, PROTOCOLS)
        if self.security_protocol.startswith("SASL_"):
            _check_choice("sasl_mechanism", self.sasl_mechanism, MECHANISMS)
            if not self.sasl_username or not self.sasl_password:
                raise ValueError(
                    f"sasl_username and sasl_password: expected both with security_protocol {self.security_protocol}"
                )
        elif self.sasl_mechanism is not None:
            raise ValueError(
                f"sasl_mechanism: expected none with security_protocol {self.security_protocol}, "
                f"got {self.sasl_mechanism!r}"
            )
        for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile"):
            file: str | None = getattr(self, name)
            if file is not None and not Path(file).is_file():
                raise ValueError(f"{name}: expected a file, got {file!r}")

    def _check_range(self, name: str, value: float, lowest: float, highest: float) -> None:
        if not lowest <= value <= highest:
            raise ValueError(f"{name}: expected {lowest:,} to {highest:,}, got {value:,}")


def _check_choice(name: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")
