import base64
from ipaddress import ip_address

import pytest

from monitor.webhook import Endpoint
from monitor.webhook.address import NotPublic, checked, public, resolve

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()


def endpoint(*allow: str) -> Endpoint:
    return Endpoint("pager", "https://hooks.example.com/", SECRET, allow=allow)


@pytest.mark.parametrize(
    "text",
    ["8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.0", "192.0.0.9", "::ffff:8.8.8.8", "2606:4700:4700::1111"],
)
def test_public_addresses(text: str) -> None:
    assert public(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        # this host, loopback, private, shared (RFC 6598), link-local with the clouds' metadata
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "127.255.255.254",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        # protocol assignments, documentation, 6to4 relays, benchmarks, multicast, reserved, broadcast
        "192.0.0.1",
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        # the same in IPv6
        "::",
        "::1",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "ff0e::1",
        "100::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        # IPv4 in disguise: mapped, compatible, NAT64, its local prefix, 6to4, Teredo
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
    ],
)
def test_addresses_that_are_not_public(text: str) -> None:
    assert not public(ip_address(text))


@pytest.mark.parametrize(
    ("found", "block"),
    [
        ("127.0.0.1", "127.0.0.0/8"),
        ("10.1.2.3", "10.0.0.0/8"),
        ("172.20.0.1", "172.16.0.0/12"),
        ("192.168.0.9", "192.168.0.0/16"),
        ("169.254.169.254", "169.254.169.254/32"),
        ("fd12::1", "fc00::/7"),
        ("::1", "::1/128"),
        ("fe80::1%2", "fe80::1/128"),
    ],
)
def test_the_refusal_says_what_to_allow_and_that_is_enough(found: str, block: str) -> None:
    with pytest.raises(NotPublic) as refused:
        checked(endpoint(), [found])

    assert str(refused.value) == f'webhook pager: {found} is not a public address; allow it with allow = ["{block}"]'
    assert checked(endpoint(block), [found]) == [ip_address(found)]


def test_a_mapped_address_is_the_one_inside() -> None:
    assert checked(endpoint("127.0.0.0/8"), ["::ffff:127.0.0.1"]) == [ip_address("127.0.0.1")]


def test_allow_covers_nothing_else() -> None:
    with pytest.raises(NotPublic, match=r"192\.168\.1\.1 is not a public address"):
        checked(endpoint("10.0.0.0/8", "fc00::/7"), ["192.168.1.1"])


def test_of_mixed_answers_only_the_public_ones_are_used_in_their_order() -> None:
    found = ["127.0.0.1", "9.9.9.9", "10.0.0.1", "2606:4700:4700::1111"]

    assert checked(endpoint(), found) == [ip_address("9.9.9.9"), ip_address("2606:4700:4700::1111")]


@pytest.mark.parametrize("disguise", ["127.1", "2130706433", "0x7f000001", "017700000001"])
def test_numbers_in_disguise_are_seen_through_by_the_resolver(disguise: str) -> None:
    assert resolve(disguise, 80) == ["127.0.0.1"]


def test_a_name_without_an_address_is_an_os_error() -> None:
    with pytest.raises(OSError, match=r"."):
        resolve("no-such-host.invalid", 80)
