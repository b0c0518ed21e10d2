"""Clients of kafka-python that have reached a broker, and its errors as ours."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from kafka.errors import (
    AuthorizationError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)

from monitor.errors import DriftwardenError, Permanent, Transient
from monitor.kafka.config import KafkaConfig
from monitor.kafka.login import login_refused

REQUEST_TIMEOUT_MS = 30_000
RECONNECT_MAX_MS = 2_000


def opened(kind: Callable[..., Any], config: KafkaConfig, **options: Any) -> tuple[Any, Any]:
    """A consumer, producer or admin client that has spoken to a broker, with the network client it works through.

    Raises:
        Transient: no broker answers within ``connect_timeout_s``.
        Permanent: a broker answers and will not have us.
    """
    # While a broker is away it logs errors several times a second; our own errors and events say it once.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    # A constructor that fails leaves its I/O thread and sockets open and gives no handle to them, so we keep one.
    networks: list[Any] = []

    def network(**settings: Any) -> Any:
        networks.append(kind.DEFAULT_CONFIG["kafka_client"](**settings))  # type: ignore[attr-defined]
        return networks[-1]

    try:
        return kind(
            **connection(config), **{"request_timeout_ms": REQUEST_TIMEOUT_MS, **options}, kafka_client=network
        ), networks[0]
    except KafkaError as error:
        for each in networks:
            each.close()
        if error.retriable and config.security_protocol.startswith("SASL_") and login_refused(config):
            raise _login_refused(config) from error
        raise translated(error, config) from error


def connection(config: KafkaConfig) -> dict[str, Any]:
    """What every client of kafka-python takes."""
    return {
        "bootstrap_servers": [server.strip() for server in config.bootstrap_servers.split(",")],
        "client_id": config.client_id,
        "bootstrap_timeout_ms": int(config.connect_timeout_s * 1_000),
        "reconnect_backoff_max_ms": RECONNECT_MAX_MS,
        "security_protocol": config.security_protocol,
        "sasl_mechanism": config.sasl_mechanism,
        "sasl_plain_username": config.sasl_username,
        "sasl_plain_password": config.sasl_password,
        "ssl_cafile": config.ssl_cafile,
        "ssl_certfile": config.ssl_certfile,
        "ssl_keyfile": config.ssl_keyfile,
        "ssl_password": config.ssl_password,
        "ssl_check_hostname": config.ssl_check_hostname,
    }


def translated(error: KafkaError, config: KafkaConfig) -> DriftwardenError:
    """Again or never, in a sentence; with ``raise … from error``."""
    servers = config.bootstrap_servers
    match error:
        case SaslAuthenticationFailedError() | UnsupportedSaslMechanismError() | IllegalSaslStateError():
            return _login_refused(config)
        case AuthorizationError():
            return Permanent(f"Kafka at {servers} does not permit it: {error}")
        case KafkaError(retriable=True):
            over = "" if config.security_protocol == "PLAINTEXT" else f" over {config.security_protocol}"
            return Transient(f"no Kafka broker answers at {servers}{over} (DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS)")
        case _:
            return Permanent(f"Kafka at {servers}: {error}")


def _login_refused(config: KafkaConfig) -> Permanent:
    return Permanent(
        f"Kafka at {config.bootstrap_servers} refuses user {config.sasl_username!r} by {config.sasl_mechanism} "
        "(DRIFTWARDEN_KAFKA__SASL_USERNAME, DRIFTWARDEN_KAFKA__SASL_PASSWORD)"
    )
