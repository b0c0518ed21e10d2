"""Where a sender connects to: addresses, names and certificates."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from monitor.errors import Permanent
from monitor.model.alert import Delivered, Retry
from monitor.webhook import WebhookConfig, WebhookSender
from tests.webhook.sending import MESSAGE, now, resolver, sender


def test_loopback_is_refused_unless_allowed(receiver: Any) -> None:
    outcome = sender(receiver.endpoint(allow=())).send(MESSAGE, now())

    assert outcome == Retry('webhook pager: 127.0.0.1 is not a public address; allow it with allow = ["127.0.0.0/8"]')
    assert receiver.got == []


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]"])
def test_a_host_that_leads_to_loopback_is_refused(receiver: Any, host: str) -> None:
    outcome = sender(receiver.endpoint(host=host, allow=("10.0.0.0/8",))).send(MESSAGE, now())

    assert isinstance(outcome, Retry)
    assert "is not a public address" in outcome.reason
    assert receiver.got == []


def test_a_name_that_resolves_to_loopback_is_refused(receiver: Any) -> None:
    dns, asked = resolver(["127.0.0.1"])
    outcome = sender(receiver.endpoint(host="receiver.test", allow=()), resolve=dns).send(MESSAGE, now())

    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("webhook pager: 127.0.0.1 is not a public address")
    assert asked == ["receiver.test"]
    assert receiver.got == []


def test_a_name_that_changes_its_address_gets_no_second_chance(receiver: Any) -> None:
    """DNS rebinding: the first answer passes the check, a second one would lead to the receiver on 127.0.0.1.

    The first answer stands for a public address: allowed, and with nobody listening, so that no packet leaves.
    """
    dns, asked = resolver(["127.99.99.99"], ["127.0.0.1"])
    rebound = sender(receiver.endpoint(host="receiver.test", allow=("127.99.99.99/32",)), resolve=dns)
    first, asked_first = rebound.send(MESSAGE, now()), list(asked)
    second = rebound.send(MESSAGE, now())

    assert isinstance(first, Retry)
    assert "Connection refused" in first.reason
    assert asked_first == ["receiver.test"]
    assert isinstance(second, Retry)
    assert "127.0.0.1 is not a public address" in second.reason
    assert receiver.got == []


def test_the_next_address_is_tried_where_one_is_dead(receiver: Any) -> None:
    dns, _ = resolver(["127.99.99.99", "127.0.0.1"])

    assert sender(receiver.endpoint(host="receiver.test"), resolve=dns).send(MESSAGE, now()) == Delivered(200)
    assert receiver.got[0].headers["Host"] == f"receiver.test:{receiver.port}"


def test_a_name_without_an_address_is_tried_again(receiver: Any) -> None:
    def dns(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    outcome = sender(receiver.endpoint(host="receiver.test"), resolve=dns).send(MESSAGE, now())
    assert outcome == Retry("receiver.test: [Errno -2] Name or service not known")


def test_a_dns_that_hangs_does_not_stretch_the_time_limit(receiver: Any) -> None:
    free = threading.Event()

    def dns(host: str, port: int) -> Sequence[str]:
        free.wait(10)
        return ["127.0.0.1"]

    began = time.monotonic()
    outcome = sender(receiver.endpoint(host="receiver.test", timeout_s=0.2), resolve=dns).send(MESSAGE, now())
    took_s = time.monotonic() - began
    free.set()

    assert outcome == Retry("no answer within 0.2 s: no answer from DNS for receiver.test")
    assert took_s < 3


@pytest.fixture
def trusting(tls_receiver: Any, certificate: tuple[Path, Path]) -> Callable[[str], WebhookSender]:
    """Senders that trust the receiver's certificate and find the receiver under any name."""

    def build(host: str) -> WebhookSender:
        endpoint = tls_receiver.endpoint(host=host, scheme="https")
        config = WebhookConfig((endpoint,), ca_file=str(certificate[0]))
        return WebhookSender(config, resolve=lambda host, port: ["127.0.0.1"])

    return build


def test_https_checks_the_certificate_against_the_name_though_it_connects_to_the_address(
    tls_receiver: Any, trusting: Callable[[str], WebhookSender]
) -> None:
    outcome = trusting("receiver.test").send(MESSAGE, now())

    assert outcome == Delivered(200)
    assert tls_receiver.got[0].headers["Host"] == f"receiver.test:{tls_receiver.port}"


@pytest.mark.parametrize("host", ["other.test", "127.0.0.1"])
def test_a_certificate_for_another_name_is_not_taken(
    tls_receiver: Any, trusting: Callable[[str], WebhookSender], host: str
) -> None:
    outcome = trusting(host).send(MESSAGE, now())

    assert isinstance(outcome, Retry)
    assert "certificate is not valid for" in outcome.reason
    assert tls_receiver.got == []


def test_a_certificate_nobody_vouches_for_is_not_taken(tls_receiver: Any) -> None:
    endpoint = tls_receiver.endpoint(host="receiver.test", scheme="https")
    outcome = sender(endpoint, resolve=lambda host, port: ["127.0.0.1"]).send(MESSAGE, now())

    assert isinstance(outcome, Retry)
    assert "certificate verify failed" in outcome.reason
    assert tls_receiver.got == []


def test_a_missing_file_of_certificates_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"webhook ca_file .*none\.pem: .*No such file"):
        WebhookSender(WebhookConfig(ca_file=str(tmp_path / "none.pem")))
