"""A cache that grows by a column a step: the export of Optimum, where past and present are concatenated.

Every row has its own valid columns, and those of rows that joined late have gaps; the attention mask leaves these out,
and since keys are rotated before they are kept, a column may stand anywhere. When rows come or go, the cache is woven
anew without gaps; between two such changes nothing is moved but by the graph itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.inference.decoder.running import Tensors, run, weaver
from monitor.inference.runtime import Provider, Session

Array = NDArray[Any]
Indices = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Growing:
    """The rows under way: ``mask (rows, columns)`` is 1 where a column is the row's, ``lengths (rows,)`` count them."""

    session: Session
    tensors: Tensors
    provider: Provider
    past: list[Any] = field(default_factory=list)
    mask: Indices = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    lengths: Indices = field(default_factory=lambda: np.zeros(0, np.int64))
    weavers: dict[int, Session] = field(default_factory=dict)

    def prompt(self, ids: Indices, copies: int, head: Mapping[str, Array], read: Sequence[str]) -> list[Array]:
        """Run a prompt and add so many rows that begin with it."""
        places = np.arange(len(ids))[None]
        feeds = {"input_ids": ids[None], "attention_mask": np.ones_like(places), "position_ids": places, **head}
        empty = self.tensors.empty()
        found, presents = self._run(feeds, dict.fromkeys(self.tensors.names, empty), read)
        added = [np.arange(len(ids))] * copies
        if len(self.lengths) == 0:
            self._weave([(presents, 1, len(ids))], [(0, 0, columns) for columns in added])
        else:
            rows, columns = self.mask.shape
            old = [(0, row, np.flatnonzero(self.mask[row])) for row in range(rows)]
            new = [(1, 0, each) for each in added]
            self._weave([(self.past, rows, columns), (presents, 1, len(ids))], old + new)
        return found

    def step(self, tokens: Indices, head: Mapping[str, Array], read: Sequence[str]) -> list[Array]:
        """Run one token of each row."""
        mask = np.concatenate([self.mask, np.ones((len(tokens), 1), np.int64)], axis=1)
        feeds = {
            "input_ids": tokens[:, None], "attention_mask": mask, "position_ids": self.lengths[:, None], **head,
        }  # fmt: skip
        found, self.past = self._run(feeds, dict(zip(self.tensors.names, self.past, strict=True)), read)
        self.mask, self.lengths = mask, self.lengths + 1
        return found

    def keep(self, rows: Collection[int]) -> list[int]:
        """Drop all other rows; which old row each new one is."""
        order = sorted(rows)
        if not order:
            self.past, self.lengths, self.mask = [], self.lengths[:0], self.mask[:0, :0]
        elif len(order) < len(self.lengths):
            count, columns = self.mask.shape
            self._weave([(self.past, count, columns)], [(0, row, np.flatnonzero(self.mask[row])) for row in order])
        return order

    def _run(
        self, feeds: Mapping[str, Array], past: Mapping[str, Any], read: Sequence[str]
    ) -> tuple[list[Array], list[Any]]:
        return run(self.session, feeds, past, read=read, kept=self.tensors.presents, device=self.tensors.device)

    def _weave(self, sources: Sequence[tuple[list[Any], int, int]], rows: Sequence[tuple[int, int, Indices]]) -> None:
        """Make the cache of columns of others: a row is a source, a row of it, and its columns."""
        heads = self.tensors.heads
        starts = np.cumsum([0] + [count * heads * columns for _, count, columns in sources])
        lengths = np.array([len(columns) for _, _, columns in rows])
        index = np.zeros((len(rows), heads, lengths.max()), np.int64)
        for place, (source, row, columns) in enumerate(rows):
            offsets = starts[source] + (row * heads + np.arange(heads)) * sources[source][2]
            index[place, :, : len(columns)] = offsets[:, None] + columns
        session = self.weavers.get(len(sources))
        if session is None:
            session = self.weavers[len(sources)] = weaver(self.tensors, len(sources), self.provider)
        made = []
        for tensor in range(len(self.tensors.names)):
            inputs = {f"from.{i}": caches[tensor] for i, (caches, _, _) in enumerate(sources)}
            made += run(session, {"index": index}, inputs, read=(), kept=("out",), device=self.tensors.device)[1]
        self.past, self.lengths = made, lengths
        self.mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
