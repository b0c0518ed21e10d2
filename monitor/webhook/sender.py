"""One attempt to deliver one message, by the Standard Webhooks specification 1.0.0.

Any 2xx is a delivery; 410 disables the endpoint; anything else (redirects, which are not followed, other statuses, the
network, a refused address) is tried again.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpcore
from standardwebhooks import Webhook

from monitor.errors import Permanent
from monitor.model.alert import Delivered, Message, Outcome, Refused, Retry
from monitor.webhook import address
from monitor.webhook.config import Endpoint, WebhookConfig

RETRY_AFTER_CAP_S = 3_600.0
_NETWORK = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError)


class WebhookSender:
    """Sends signed messages to the configured endpoints; may be called from several threads."""

    def __init__(self, config: WebhookConfig, *, resolve: address.Resolve = address.resolve) -> None:
        self._endpoints = {endpoint.name: endpoint for endpoint in config.endpoints}
        self._resolve = resolve
        self._tls = _trust(config.ca_file)

    def send(self, message: Message, now: datetime) -> Outcome:
        """One attempt at the instant ``now``, which the receiver holds against its own clock."""
        endpoint = self._endpoints.get(message.endpoint)
        if endpoint is None:
            return Refused(f"endpoint {message.endpoint} is not configured")
        try:
            headers = _headers(endpoint, message, now)
            status, retry_after = self._post(endpoint, headers, message.payload)
        except UnicodeDecodeError as error:  # the signature is over text; the stored bytes will not change
            return Refused(f"the payload is not UTF-8: {error}")
        except address.NotPublic as error:
            return Retry(str(error))
        except httpcore.TimeoutException as error:
            return Retry(f"no answer within {endpoint.timeout_s:g} s: {error}")
        except _NETWORK as error:
            return Retry(str(error) or type(error).__name__)
        return _outcome(status, _asked_s(retry_after, now))

    def _post(self, endpoint: Endpoint, headers: list[tuple[str, str]], payload: bytes) -> tuple[int, str | None]:
        """The status and Retry-After. Each attempt connects anew, so that each connection is a checked one."""
        network = address.GuardedBackend(endpoint, self._resolve)
        with (
            httpcore.ConnectionPool(ssl_context=self._tls, network_backend=network) as pool,
            pool.stream("POST", endpoint.url, headers=headers, content=payload) as response,
        ):
            # The status is the answer; the body is read, within bounds, only not to cut the receiver short.
            with contextlib.suppress(*_NETWORK):
                for _ in response.iter_stream():
                    pass
            return response.status, _header(response.headers, b"retry-after")


def _headers(endpoint: Endpoint, message: Message, now: datetime) -> list[tuple[str, str]]:
    if now.tzinfo is None:
        raise ValueError(f"expected an aware time of the attempt, got {now!r}")
    at = now.astimezone(UTC)  # standardwebhooks 1.1 takes the digits of any other zone for UTC
    payload = message.payload.decode()
    return [
        ("Host", urlsplit(endpoint.url).netloc),
        ("User-Agent", "driftwarden"),
        ("Content-Type", "application/json"),
        ("webhook-id", message.id),
        ("webhook-timestamp", str(int(at.timestamp()))),
        ("webhook-signature", Webhook(endpoint.secret).sign(msg_id=message.id, timestamp=at, data=payload)),
    ]


def _outcome(status: int, after_s: float | None) -> Outcome:
    if 200 <= status <= 299:
        return Delivered(status)
    if status == 410:
        return Refused("HTTP 410: the receiver wants no more messages", status, gone=True)
    if 300 <= status <= 399:
        return Retry(f"HTTP {status}: redirects are not followed; put the new address in url", status, after_s)
    return Retry(f"HTTP {status}", status, after_s)


def _asked_s(retry_after: str | None, now: datetime) -> float | None:
    """The seconds that Retry-After (RFC 9110: seconds or a date) asks for, from 0 to an hour; None if it can't be read.

    >>> _asked_s("Wed, 21 Oct 2015 07:28:00 GMT", datetime(2015, 10, 21, 7, 27, tzinfo=UTC))
    60.0
    """
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_CAP_S)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((aware - now).total_seconds(), 0.0), RETRY_AFTER_CAP_S)


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), None)


def _trust(ca_file: str | None) -> ssl.SSLContext:
    """Trust in the public authorities, and those of the file."""
    context = httpcore.default_ssl_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # also what ssl raises for a file that is no PEM
            raise Permanent(f"webhook ca_file {ca_file}: {error}") from error
    return context
