"""Where alerts go. What is wrong with a setting is said at the start, without showing a secret."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One receiver. The URL may hold a token in its path, so neither it nor the secret is ever printed.

    Attributes:
        secret: ``whsec_`` and 24 to 64 bytes in base64, as Standard Webhooks has it.
        timeout_s: The most that one attempt may take from the DNS question to the last byte.
        allow: Networks that may be connected to though they are not public, as CIDR.
    """

    name: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    timeout_s: float = 10
    allow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"webhook name: expected 1 to 64 letters, digits, '_', '.' or '-', got {self.name!r}")
        problem = _url_problem(self.url) or _secret_problem(self.secret) or _allow_problem(self.allow)
        if problem:
            raise ValueError(f"webhook {self.name}: {problem}")
        if not 0 < self.timeout_s <= 60:
            raise ValueError(f"webhook {self.name}: timeout_s must be over 0 and at most 60, got {self.timeout_s:g}")

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(ip_network(cidr) for cidr in self.allow)


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """All receivers; ``ca_file`` holds certificates (PEM) to trust besides the public authorities'."""

    endpoints: tuple[Endpoint, ...] = ()
    ca_file: str | None = None

    def __post_init__(self) -> None:
        names = Counter(endpoint.name for endpoint in self.endpoints)
        twice = sorted(name for name, count in names.items() if count > 1)
        if twice:
            raise ValueError(f"webhook names must differ, got {', '.join(twice)} more than once")


def _url_problem(url: str) -> str | None:
    """What is wrong with a URL; shows its scheme or host at most."""
    if not (url.isascii() and url.isprintable()) or " " in url:
        return "url must be printable ASCII without spaces (host in punycode, path percent-encoded)"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"url is malformed: {error}"
    if parts.scheme not in ("http", "https"):
        return f"url must start with http:// or https://, got {parts.scheme or 'no scheme'!r}"
    if parts.username is not None or parts.password is not None:
        return "url must not hold a user or password"
    if port == 0:
        return "url has port 0, expected 1 to 65535"
    return _host_problem(parts)


def _host_problem(parts: SplitResult) -> str | None:
    host = parts.hostname or ""
    if not host:
        return f"url must name a host after {parts.scheme}://"
    if ":" in host:
        try:
            ip_address(host)
        except ValueError:
            return f"url has {host!r} for a host, expected a name or an address"
    elif not _HOST.fullmatch(host):
        return f"url has {host!r} for a host, expected a name or an address"
    return None


def _secret_problem(secret: str) -> str | None:
    prefix, coded = secret[:6], secret[6:]
    if prefix != "whsec_":
        return "secret must start with whsec_"
    try:
        size = len(base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True))
    except (binascii.Error, ValueError):
        return "secret must be base64 after whsec_"
    return None if 24 <= size <= 64 else f"secret must hold 24 to 64 bytes, got {size}"


def _allow_problem(allow: tuple[str, ...]) -> str | None:
    for cidr in allow:
        try:
            ip_network(cidr)
        except ValueError as error:
            return f"allow must list networks such as 10.1.0.0/16: {error}"
    return None
