"""Keyset cursors: the key of the last row of a page, in a form that clients pass back unread."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from starlette.exceptions import HTTPException

Kind = Literal["time", "text", "integer"]

_TYPES: dict[Kind, type] = {"time": datetime, "text": str, "integer": int}


def write_cursor(name: str, key: Sequence[Any]) -> str:
    """A cursor of the list ``name``.

    >>> read_cursor(write_cursor("rejects", [7]), "rejects", ["integer"])
    (7,)
    """
    return base64.urlsafe_b64encode(msgspec.json.encode([name, *key])).decode().rstrip("=")


def read_cursor(cursor: str, name: str, kinds: Sequence[Kind]) -> tuple[Any, ...]:
    """The key of a cursor; a cursor of another list, or no cursor at all, is answered with 400."""
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        whose, *parts = msgspec.json.decode(content, type=list[Any])
        key: tuple[Any, ...] = tuple(
            msgspec.convert(part, _TYPES[kind]) for part, kind in zip(parts, kinds, strict=True)
        )
    except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
        raise HTTPException(400, "cursor: not one that this list gave out") from error
    if whose != name or not all(storable(part) for part in key):
        raise HTTPException(400, f"cursor: not one of the list of {name}")
    return key


def storable(part: Any) -> bool:
    """Whether Postgres has such a value: no NUL in text, 64 bits, instants with their offset."""
    match part:
        case str():
            return "\0" not in part
        case int():
            return -(2**63) <= part < 2**63
        case datetime():
            return part.tzinfo is not None
        case _:
            return False
