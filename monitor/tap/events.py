"""Server-sent events, cut out of the bytes of a stream as they come."""

from __future__ import annotations

import re
from collections.abc import Iterator

# https://html.spec.whatwg.org/multipage/server-sent-events.html: a blank line ends an event.
END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
DATA = b"data:"
DONE = b"[DONE]"


class Events:
    """Takes bytes and gives whole events, each with the blank line that ends it; joined they are the stream."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, content: bytes) -> Iterator[bytes]:
        self.rest += content
        place = 0
        for end in END.finditer(self.rest):
            yield self.rest[place : end.end()]
            place = end.end()
        self.rest = self.rest[place:]


def data_of(event: bytes) -> bytes | None:
    """What an event of one line says; None for comments and events of other shapes.

    >>> data_of(b'data: {"a": 1}\\n\\n'), data_of(b": still here\\n\\n")
    (b'{"a": 1}', None)
    """
    if not event.startswith(DATA):
        return None
    said = event[len(DATA) :].strip()
    return None if b"\n" in said or b"\r" in said else said
