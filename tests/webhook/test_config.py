import base64
from dataclasses import replace
from ipaddress import ip_network

import pytest

from monitor.webhook import Endpoint, WebhookConfig


def secret(size: int) -> str:
    return "whsec_" + base64.b64encode(b"k" * size).decode()


GOOD = Endpoint("pager", "https://hooks.example.com/token-1?a=b", secret(32), allow=("10.0.0.0/8", "fd00::/8"))


def test_neither_secret_nor_url_is_printed() -> None:
    shown = repr(WebhookConfig((GOOD,)))

    assert "pager" in shown
    assert "token-1" not in shown
    assert secret(32)[6:] not in shown


def test_allow_becomes_networks() -> None:
    assert GOOD.networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize("size", [24, 25, 64])
def test_secrets_of_24_to_64_bytes_are_taken_padded_or_not(size: int) -> None:
    assert replace(GOOD, secret=secret(size)).secret == secret(size)
    assert replace(GOOD, secret=secret(size).rstrip("=")).secret == secret(size).rstrip("=")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (secret(23), "webhook pager: secret must hold 24 to 64 bytes, got 23"),
        (secret(65), "webhook pager: secret must hold 24 to 64 bytes, got 65"),
        ("whsec_", "webhook pager: secret must hold 24 to 64 bytes, got 0"),
        ("hunter2", "webhook pager: secret must start with whsec_"),
        ("whsec_" + "*" * 44, "webhook pager: secret must be base64 after whsec_"),
        ("whsec_" + "ä" * 44, "webhook pager: secret must be base64 after whsec_"),
    ],
)
def test_a_wrong_secret_is_refused_without_showing_it(wrong: str, message: str) -> None:
    with pytest.raises(ValueError, match="secret") as refused:
        replace(GOOD, secret=wrong)

    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://a.example/x", "url must start with http:// or https://, got 'ftp'"),
        ("a.example/x", "url must start with http:// or https://, got 'no scheme'"),
        ("https:///x", "url must name a host after https://"),
        ("https://user:pw@a.example/", "url must not hold a user or password"),
        ("https://a.example:0/", "url has port 0, expected 1 to 65535"),
        ("https://a.example:99999/", "url is malformed: Port out of range 0-65535"),
        ("https://a..example/", "url has 'a..example' for a host, expected a name or an address"),
        ("https://-a.example/", "url has '-a.example' for a host, expected a name or an address"),
        (f"https://{'a' * 64}.example/", f"url has '{'a' * 64}.example' for a host, expected a name or an address"),
        (
            "https://bücher.example/",
            "url must be printable ASCII without spaces (host in punycode, path percent-encoded)",
        ),
        (
            "https://a.exa\nmple/",
            "url must be printable ASCII without spaces (host in punycode, path percent-encoded)",
        ),
    ],
)
def test_a_wrong_url_is_refused(url: str, message: str) -> None:
    with pytest.raises(ValueError, match="url") as refused:
        replace(GOOD, url=url)

    assert str(refused.value) == f"webhook pager: {message}"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "https://[::1]/x", "https://a_b.example/x%20y", "http://h"])
def test_names_and_addresses_are_hosts(url: str) -> None:
    assert replace(GOOD, url=url).url == url


@pytest.mark.parametrize("timeout_s", [0, -1, 61, float("nan"), float("inf")])
def test_a_timeout_is_bounded(timeout_s: float) -> None:
    with pytest.raises(ValueError, match=r"webhook pager: timeout_s must be over 0 and at most 60, got"):
        replace(GOOD, timeout_s=timeout_s)


def test_a_network_with_host_bits_is_refused() -> None:
    with pytest.raises(ValueError, match=r"webhook pager: allow must list networks .*10\.1\.2\.3/8 has host bits set"):
        replace(GOOD, allow=("10.1.2.3/8",))


@pytest.mark.parametrize("name", ["", "a b", "a\n", "-a", "x" * 65])
def test_a_name_is_a_plain_word(name: str) -> None:
    with pytest.raises(ValueError, match="webhook name: expected 1 to 64 letters"):
        replace(GOOD, name=name)


def test_names_differ() -> None:
    with pytest.raises(ValueError, match="webhook names must differ, got pager more than once"):
        WebhookConfig((GOOD, replace(GOOD, url="https://b.example/")))
