"""Whether a broker refuses our login.

kafka-python 3.0.12 can't tell: a broker answers a wrong password and hangs up, and an answer that arrives together with
the end of the connection is dropped, so that it looks like a broker that is away. Hence this short conversation.
"""

from __future__ import annotations

import socket
import ssl
import struct

from kafka.net.sasl import get_sasl_mechanism

from monitor.kafka.config import KafkaConfig

SASL_HANDSHAKE, HANDSHAKE_VERSION = 17, 1
SASL_AUTHENTICATE, AUTHENTICATE_VERSION = 36, 0
TIMEOUT_S = 5.0
LONGEST_ANSWER = 65_536


def login_refused(config: KafkaConfig) -> bool:
    """True where a broker said no to this user, password or mechanism; False where it said yes or nothing."""
    for server in config.bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as plain:
                if config.security_protocol == "SASL_PLAINTEXT":
                    return _refused(plain, host, config)
                with _tls(config).wrap_socket(plain, server_hostname=host) as encrypted:
                    return _refused(encrypted, host, config)
        except (OSError, EOFError, struct.error):
            continue
    return False


def _refused(connection: socket.socket, host: str, config: KafkaConfig) -> bool:
    name = (config.sasl_mechanism or "").encode()
    body = struct.pack(f">h{len(name)}s", len(name), name)
    if _error(_ask(connection, SASL_HANDSHAKE, HANDSHAKE_VERSION, body)) != 0:
        return True
    mechanism = get_sasl_mechanism(config.sasl_mechanism)(
        host=host,
        sasl_mechanism=config.sasl_mechanism,
        sasl_plain_username=config.sasl_username,
        sasl_plain_password=config.sasl_password,
    )
    while not mechanism.is_done():
        token = mechanism.auth_bytes()
        answer = _ask(connection, SASL_AUTHENTICATE, AUTHENTICATE_VERSION, struct.pack(">i", len(token)) + token)
        if _error(answer) != 0:
            return True
        words = max(0, struct.unpack_from(">h", answer, 2)[0])  # the broker's explanation; its length is -1 for none
        mechanism.receive(answer[4 + words + 4 :])
    return not mechanism.is_authenticated()


def _ask(connection: socket.socket, request: int, version: int, body: bytes) -> bytes:
    """The body of the answer."""
    message = struct.pack(">hhih", request, version, 1, -1) + body
    connection.sendall(struct.pack(">i", len(message)) + message)
    (size,) = struct.unpack(">i", _read(connection, 4))
    return _read(connection, min(size, LONGEST_ANSWER))[4:]


def _read(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def _error(answer: bytes) -> int:
    (code,) = struct.unpack_from(">h", answer)
    return int(code)


def _tls(config: KafkaConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=config.ssl_cafile)
    context.check_hostname = config.ssl_check_hostname
    if config.ssl_certfile is not None:
        context.load_cert_chain(config.ssl_certfile, config.ssl_keyfile, config.ssl_password)
    return context
