"""Connections to checked addresses only: a receiver's name must not lead into the operator's own network.

The name is resolved once, each address is checked, and the connection goes to the checked address itself, so DNS has
no second chance to answer otherwise. The Host header and the certificate check stay with the name. An address that is
not public is refused unless the endpoint's ``allow`` covers it. Proxies from the environment are not used.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpcore

from monitor.errors import Transient
from monitor.webhook.config import Endpoint

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]
"""From a host and a port to addresses, the preferred one first; raises OSError."""

RESPONSE_CAP = 65_536
"""The most bytes of an answer, headers and all, that are read."""


class NotPublic(Transient):
    """The name leads to addresses that may not be connected to. DNS and settings change, so it is tried again."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of the system's resolver, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def public(address: Address) -> bool:
    """Whether the address is unicast and reachable from anywhere on the Internet.

    Of IPv6 only 2000::/3 is so, without the forms that hide an IPv4 address: an operator of NAT64 allows its prefix.

    >>> [public(ip_address(a)) for a in ("9.9.9.9", "169.254.169.254", "64:ff9b::a00:1", "::ffff:10.0.0.1")]
    [True, False, False, False]
    """
    match address:
        case IPv4Address():
            relay = address in IPv4Network("192.88.99.0/24")  # 6to4 anycast, withdrawn by RFC 7526
            return address.is_global and not (address.is_multicast or address.is_reserved or relay)
        case IPv6Address(ipv4_mapped=IPv4Address() as inner):
            return public(inner)
        case _:
            hidden = ("2001::/23", "2002::/16", "3fff::/20")  # IETF (with Teredo), 6to4, documentation
            unicast = address in IPv6Network("2000::/3")
            return unicast and address.is_global and not any(address in IPv6Network(net) for net in hidden)


def checked(endpoint: Endpoint, found: Iterable[str]) -> list[Address]:
    """Those of the addresses that may be connected to; raises NotPublic where none may."""
    addresses = [_plain(ip_address(text)) for text in found]
    allowed = [a for a in addresses if public(a) or any(a in network for network in endpoint.networks)]
    if addresses and not allowed:
        refused = addresses[0]
        raise NotPublic(
            f'webhook {endpoint.name}: {refused} is not a public address; allow it with allow = ["{_block(refused)}"]'
        )
    return allowed


class GuardedBackend(httpcore.NetworkBackend):
    """The network of one attempt: checked addresses, one deadline for all of it, a cap on the bytes read."""

    def __init__(self, endpoint: Endpoint, resolve: Resolve) -> None:
        self._endpoint = endpoint
        self._resolve = resolve
        self._ends = time.monotonic() + endpoint.timeout_s

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # the deadline stands for it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = checked(self._endpoint, self._look_up(host, port))
        failure: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError(f"{host} has no address")
        for tried, address in enumerate(addresses):
            share_s = _left(self._ends, httpcore.ConnectTimeout) / (len(addresses) - tried)
            try:
                stream = httpcore.SyncBackend().connect_tcp(str(address), port, share_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Bounded(stream, self._ends, RESPONSE_CAP)
        raise failure

    def _look_up(self, host: str, port: int) -> Sequence[str]:
        """The system's resolver takes no time limit, so it is left behind in a thread when it takes too long."""
        answers: queue.SimpleQueue[Sequence[str] | OSError] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._resolve(host, port))
            except OSError as error:
                answers.put(error)

        threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
        try:
            answer = answers.get(timeout=_left(self._ends, httpcore.ConnectTimeout))
        except queue.Empty:
            raise httpcore.ConnectTimeout(f"no answer from DNS for {host}") from None
        if isinstance(answer, OSError):
            raise httpcore.ConnectError(f"{host}: {answer}") from answer
        return answer


class _Bounded(httpcore.NetworkStream):
    """A stream that ends by the deadline, however slowly its bytes drip, and after so many bytes."""

    def __init__(self, stream: httpcore.NetworkStream, ends: float, budget: int) -> None:
        self._stream = stream
        self._ends = ends
        self._budget = budget

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._budget == 0:
            raise httpcore.ReadError(f"the answer is longer than {RESPONSE_CAP} bytes")
        got = self._stream.read(min(max_bytes, self._budget), _left(self._ends, httpcore.ReadTimeout))
        self._budget -= len(got)
        return got

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._ends, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left_s = _left(self._ends, httpcore.ConnectTimeout)
        return _Bounded(self._stream.start_tls(ssl_context, server_hostname, left_s), self._ends, self._budget)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(ends: float, late: type[httpcore.TimeoutException]) -> float:
    left_s = ends - time.monotonic()
    if left_s <= 0:
        raise late("the time for the attempt is over")
    return left_s


def _plain(address: Address) -> Address:
    """An IPv4 address inside IPv6 is treated, and connected to, as the IPv4 address that it is."""
    return address if isinstance(address, IPv4Address) else address.ipv4_mapped or address


def _block(address: Address) -> Network:
    """What to suggest for ``allow``: loopback and the private networks whole, else this one address."""
    blocks = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
    bare = ip_address(str(address).partition("%")[0])
    return next((net for net in map(ip_network, blocks) if bare in net), ip_network(bare))
