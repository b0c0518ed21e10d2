"""Records kept on disk while the broker is away."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from monitor.worker.outgoing import Outgoing

SEGMENT_BYTES = 4 * 2**20
LENGTH = struct.Struct(">I")


class Spool:
    """Segments of a folder, oldest first; over ``most_bytes`` the oldest one goes.

    A record is a length and its MessagePack; one that was cut off by a crash ends its segment. Replaying deletes a
    segment once all of it was taken, so that a crash sends some records twice and none never: their ids say so.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.most_bytes = folder, most_bytes
        self.current: Path | None = None

    def segments(self) -> list[Path]:
        return sorted(self.folder.glob("*.spool"))

    def append(self, records: Sequence[Outgoing]) -> int:
        """Keep records; how many older ones went for them."""
        if self.current is None or not self.current.exists() or self.current.stat().st_size > SEGMENT_BYTES:
            self.current = self.folder / f"{time.time_ns():020d}.spool"
        bodies = [msgspec.msgpack.encode(record) for record in records]
        with self.current.open("ab") as file:
            file.write(b"".join(LENGTH.pack(len(body)) + body for body in bodies))
        return self.trim()

    def trim(self) -> int:
        """Delete the oldest segments until the rest fits; how many records they held. The newest one stays."""
        found = self.segments()
        sizes = {path: path.stat().st_size for path in found}
        gone = 0
        for path in found[:-1]:
            if sum(sizes.values()) <= self.most_bytes:
                break
            gone += len(list(read(path)))
            path.unlink()
            del sizes[path]
        return gone

    def oldest(self) -> tuple[Path, list[Outgoing]] | None:
        """The oldest segment with its records; None where there is none."""
        for path in self.segments():
            if path == self.current:
                self.current = None
            return path, list(read(path))
        return None


def read(path: Path) -> Iterator[Outgoing]:
    """The records of a segment, up to one that was cut off."""
    decoder = msgspec.msgpack.Decoder(Outgoing)
    body = path.read_bytes()
    place = 0
    while place + LENGTH.size <= len(body):
        (size,) = LENGTH.unpack_from(body, place)
        place += LENGTH.size
        if place + size > len(body):
            return
        yield decoder.decode(body[place : place + size])
        place += size
