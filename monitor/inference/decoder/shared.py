"""A cache of fixed buffers that past and present share: the GenAI builder's export with GroupQueryAttention.

The operator writes each row's new column behind those it has, so that rows of any length run together without gaps;
they are padded on the right. The rows under way are the first of the buffers: nothing is computed for free slots.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.inference.decoder.running import Place, Tensors, copier, reserved, run
from monitor.inference.runtime import Provider, Session

Array = NDArray[Any]
Indices = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Shared:
    """``buffers``: one of ``(slots, heads, length, size)`` per tensor; ``lengths (rows,)`` counts the rows' columns."""

    session: Session
    tensors: Tensors
    slots: int
    length: int
    positions: bool
    copy: Session
    buffers: list[Any] = field(repr=False)
    lengths: Indices = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def of(
        cls, session: Session, tensors: Tensors, slots: int, length: int, *, positions: bool, provider: Provider
    ) -> Shared:
        shape = (slots, tensors.heads, length, tensors.size)
        buffers = [reserved(shape, tensors.dtype, tensors.device) for _ in tensors.names]
        return cls(session, tensors, slots, length, positions, copier(tensors.dtype, provider), buffers)

    def prompt(self, ids: Indices, copies: int, head: Mapping[str, Array], read: Sequence[str]) -> list[Array]:
        """Run a prompt and add so many rows that begin with it."""
        row, places = len(self.lengths), np.arange(len(ids))[None]
        found = self._run(ids[None], np.ones_like(places), places, row, head, read)
        for copied in range(row + 1, row + copies):
            self._copy(row, copied)
        self.lengths = np.append(self.lengths, [len(ids)] * copies)
        return found

    def step(self, tokens: Indices, head: Mapping[str, Array], read: Sequence[str]) -> list[Array]:
        """Run one token of each row."""
        mask = (np.arange(self.lengths.max() + 1) <= self.lengths[:, None]).astype(np.int64)
        found = self._run(tokens[:, None], mask, self.lengths[:, None], 0, head, read)
        self.lengths = self.lengths + 1
        return found

    def keep(self, rows: Collection[int]) -> list[int]:
        """Drop all other rows; which old row each new one is. The last rows fill the holes."""
        count = len(rows)
        order = list(range(count))
        moved = sorted(row for row in rows if row >= count)
        for hole in [row for row in order if row not in rows]:
            order[hole] = moved.pop()
            self._copy(order[hole], hole)
        self.lengths = self.lengths[order]
        return order

    def _run(
        self, ids: Indices, mask: Indices, places: Indices, row: int, head: Mapping[str, Array], read: Sequence[str]
    ) -> list[Array]:
        feeds = {"input_ids": ids, "attention_mask": mask, **head}
        if self.positions:
            feeds["position_ids"] = places
        held = [self._place(buffer, row, len(ids)) for buffer in self.buffers]
        past = dict(zip(self.tensors.names, held, strict=True))
        present = dict(zip(self.tensors.presents, held, strict=True))
        return run(self.session, feeds, past, read=read, kept=present)[0]

    def _place(self, buffer: Any, row: int, rows: int) -> Place:
        """So many rows of a buffer, from this one on."""
        tensors = self.tensors
        stride = tensors.heads * self.length * tensors.size * np.dtype(tensors.dtype).itemsize
        shape = (rows, tensors.heads, self.length, tensors.size)
        return Place(tensors.device, tensors.dtype, shape, buffer.data_ptr() + row * stride)

    def _copy(self, source: int, target: int) -> None:
        for buffer in self.buffers:
            places = [self._place(buffer, row, 1) for row in (source, target)]
            read, written = (Place(each.device, each.dtype, each.shape[1:], each.pointer) for each in places)
            run(self.copy, {}, {"from": read}, read=(), kept={"to": written})
