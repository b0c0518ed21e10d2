"""Bytes of tokens to text that may be given out: whole characters, and nothing that may become a stop text."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class Writer:
    """The text of one answer.

    A stop text may begin in one token and end in a later one, and a character may be spread over several: what could
    be the beginning of either is held back. Bytes that are no UTF-8 become U+FFFD.

    Attributes:
        length: bytes so far; at the end those of the answer, without a stop text.
        stopped: whether a stop text came.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self.stop = [text.encode() for text in stop if text]
        self.held = bytearray()
        self.length = 0
        self.stopped = False
        self.decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def feed(self, piece: bytes) -> str:
        """The text that may go out after a token; empty behind a stop text."""
        if self.stopped:
            return ""
        self.length += len(piece)
        if not self.stop:
            return self.decode(piece)
        held = self.held
        held += piece
        found = [place for each in self.stop if (place := held.find(each)) >= 0]
        if found:
            self.stopped = True
            self.length -= len(held) - min(found)
            return self.decode(bytes(held[: min(found)]), True)
        ready = len(held) - max(beginning(held, each) for each in self.stop)
        out = self.decode(bytes(held[:ready]))
        del held[:ready]
        return out

    def finish(self) -> str:
        """The rest, once no more tokens come."""
        if self.stopped:
            return ""
        rest = bytes(self.held)
        self.held.clear()
        return self.decode(rest, True)


def beginning(held: bytes | bytearray, stop: bytes) -> int:
    """Length of the longest end of ``held`` that begins ``stop``.

    >>> beginning(b"so far\\n#", b"\\n##"), beginning(b"so far", b"\\n##")
    (2, 0)
    """
    longest = min(len(held), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if held.endswith(stop[:size])), 0)
