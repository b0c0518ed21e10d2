"""Records on their way to a topic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Channel = Literal["traces", "feedback"]


class Outgoing(Struct, frozen=True, array_like=True):
    """A record for a channel; which topic that is, its sink knows."""

    channel: Channel
    key: bytes
    value: bytes
    headers: Mapping[str, bytes]
