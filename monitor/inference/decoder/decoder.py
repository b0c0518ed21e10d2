"""Rows of tokens under way on one model, in either export."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from monitor.errors import Permanent
from monitor.inference.adapter_inputs import adapted
from monitor.inference.decoder.graph import HEAD_INPUTS, HEAD_OUTPUTS, WHOLE, DecoderGraph, with_head
from monitor.inference.decoder.growing import Growing
from monitor.inference.decoder.running import Tensors
from monitor.inference.decoder.shared import Shared
from monitor.inference.runtime import Provider, Session, open_session
from monitor.model.generation import Draw, Step

Array = NDArray[Any]
Indices = NDArray[np.int64]

PAST = re.compile(r"past_key_values\.(\d+)\.(key|value)")
KINDS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
# The largest number below 1 of float32: a draw of 1 would lie behind the last token.
BELOW_ONE = np.float32(1 - 2**-24)


class Cache(Protocol):
    lengths: Indices

    def prompt(self, ids: Indices, copies: int, head: Mapping[str, Array], read: Sequence[str]) -> list[Array]: ...

    def step(self, tokens: Indices, head: Mapping[str, Array], read: Sequence[str]) -> list[Array]: ...

    def keep(self, rows: Collection[int]) -> list[int]: ...


@dataclass(slots=True, eq=False)
class Decoder:
    """A model with rows under way; one thread at a time may use it.

    Attributes:
        provider: what ONNX Runtime says it runs on.
        slots: most rows at once.
        length: most tokens of a row, prompt and answer together.
        vocabulary: tokens the model knows.
        graph: what was read off the file.
    """

    provider: str
    slots: int
    length: int
    vocabulary: int
    graph: DecoderGraph
    _cache: Cache = field(repr=False)

    @classmethod
    def load(cls, path: Path, *, slots: int, length: int, threads: int = 1, provider: Provider = "cpu") -> Self:
        """The model of a file, with the head appended to it and the adapter that stays beside it.

        Raises:
            Permanent: the file is no decoder we know, its adapter another's, or the provider is not to be had.
        """
        graph = with_head(path)
        try:
            session = open_session(graph.content, threads=threads, provider=provider, weights=path.parent)
        except Permanent:
            raise
        except Exception as error:
            raise Permanent(f"{path}: ONNX Runtime can't load it: {str(error)[:500]}") from error
        device = "cuda" if provider == "cuda" else "cpu"
        session = adapted(session, path.parent, device)
        tensors, positions = interface(session, path, device)
        if graph.layout == "shared":
            cache: Cache = Shared.of(session, tensors, slots, length, positions=positions, provider=provider)
        elif positions:
            cache = Growing(session, tensors, provider)
        else:
            raise Permanent(f"{path}: expected an input position_ids beside past_key_values; export it anew with it")
        return cls(session.get_providers()[0], slots, length, graph.vocabulary, graph, cache)

    @property
    def rows(self) -> int:
        return len(self._cache.lengths)

    def prompt(self, ids: Sequence[int], draw: Draw) -> Step:
        """Read a prompt once and add a row for each element of ``draw``; they all begin with it."""
        copies = len(draw.temperature)
        if self.rows + copies > self.slots:
            raise ValueError(f"rows: expected at most {self.slots}, got {self.rows + copies}")
        if not 0 < len(ids) < self.length:
            raise ValueError(f"prompt: expected 1 to {self.length - 1} tokens, got {len(ids)}")
        places = np.tile(np.array([[0, len(ids) - 1]]), (copies, 1))
        return told(self._cache.prompt(np.asarray(ids, np.int64), copies, head(places, draw), outputs(draw)))

    def step(self, tokens: Sequence[int], draw: Draw) -> Step:
        """Read one token of each row."""
        places = np.stack([np.arange(len(tokens)), np.zeros(len(tokens), np.int64)], axis=1)
        return told(self._cache.step(np.asarray(tokens, np.int64), head(places, draw), outputs(draw)))

    def keep(self, rows: Collection[int]) -> list[int]:
        """Drop all other rows; the list says which old row each new one is."""
        return self._cache.keep(rows)


def head(places: Indices, draw: Draw) -> dict[str, Array]:
    uniform = np.minimum(draw.uniform.astype(np.float32), BELOW_ONE)
    return dict(zip(HEAD_INPUTS, (places, draw.temperature.astype(np.float32), uniform), strict=True))


def outputs(draw: Draw) -> tuple[str, ...]:
    return (*HEAD_OUTPUTS, WHOLE) if draw.whole else HEAD_OUTPUTS


def told(found: list[Array]) -> Step:
    return Step(*found)


def interface(session: Session, path: Path, device: str) -> tuple[Tensors, bool]:
    """The cache's tensors, and whether the graph takes positions. Raises Permanent where an input is not known."""
    inputs = {node.name: node for node in session.get_inputs() if node.name not in HEAD_INPUTS}
    past = sorted((name for name in inputs if PAST.fullmatch(name)), key=order)
    known = {"input_ids", "attention_mask", "position_ids", *past}
    if not past or unknown(inputs, known) or not {"input_ids", "attention_mask"} <= inputs.keys():
        raise Permanent(
            f"{path}: expected inputs input_ids, attention_mask, position_ids and past_key_values.N.key and .value,"
            f" got {', '.join(inputs)}"
        )
    first: Any = inputs[past[0]]
    _, heads, _, size = first.shape
    if not isinstance(heads, int) or not isinstance(size, int) or first.type not in KINDS:
        raise Permanent(f"{path}: expected {past[0]} of fixed heads and size in float32 or float16, got {first.shape}")
    presents = tuple(name.replace("past_key_values", "present") for name in past)
    made = {node.name for node in session.get_outputs()}
    if missing := [name for name in presents if name not in made]:
        raise Permanent(f"{path}: expected an output {missing[0]}, got {', '.join(sorted(made))}")
    return Tensors(tuple(past), presents, heads, size, KINDS[first.type], device), "position_ids" in inputs


def order(name: str) -> tuple[int, str]:
    layer, part = name.split(".")[-2:]
    return int(layer), part


def unknown(inputs: Collection[str], known: Collection[str]) -> list[str]:
    return [name for name in inputs if name not in known]
