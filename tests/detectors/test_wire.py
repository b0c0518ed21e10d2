from typing import Any

import numpy as np
import pytest

from detectors import wire
from detectors.reference import Kind, fit
from detectors.sequential import advance, bank, start

from .conftest import Columns


def test_a_stack_comes_back_and_gives_the_same_features(columns: Columns, kinds: dict[str, Kind]) -> None:
    drawn = columns(np.random.default_rng(0), 200)
    stack, _ = fit(drawn, kinds, seed=0)
    again = wire.decode_stack(wire.encode_stack(stack))
    assert again.names == stack.names
    np.testing.assert_array_equal(again.apply(drawn), stack.apply(drawn))


def test_equal_values_have_equal_bytes(columns: Columns, kinds: dict[str, Kind]) -> None:
    drawn = columns(np.random.default_rng(0), 200)
    (stack, references), (stack_again, references_again) = (fit(drawn, kinds, seed=0) for _ in range(2))
    shuffled = dict(reversed(references_again.items()))
    assert wire.encode_stack(stack) == wire.encode_stack(stack_again)
    assert wire.encode_references(references) == wire.encode_references(shuffled)
    decoded = wire.decode_references(wire.encode_references(references))
    assert wire.encode_references(decoded) == wire.encode_references(references)


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_a_memory_goes_on_where_it_stopped(shift: float) -> None:
    random = np.random.default_rng(0)
    stack, references = fit({"x": random.normal(size=500)}, {"x": "scalar"}, seed=0)
    monitors = bank(stack.maps["x"], [references["x"]])
    kept, stored, thresholds = start(monitors), start(monitors), np.array([1e3])
    for _ in range(10):
        pane = stack.apply({"x": random.normal(shift, 1.0, size=16)}).sum(axis=0, keepdims=True)[:, :-1]
        kept, told = advance(monitors, kept, pane, np.array([16.0]), thresholds=thresholds)
        stored = wire.decode_memories(wire.encode_memories({"x": stored}))["x"]
        stored, told_again = advance(monitors, stored, pane, np.array([16.0]), thresholds=thresholds)
    assert told.drifted[0] == (shift > 0)
    assert told_again.log_e == told.log_e
    assert wire.encode_memories({"x": stored}) == wire.encode_memories({"x": kept})


@pytest.mark.parametrize("encoded", [b"", b"\x00", b"\x01\x90"])
def test_another_version_is_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError, match="expected wire version 2"):
        wire.decode_stack(encoded)


def test_the_memory_of_an_embedding_takes_less_than_16_kib(columns: Columns, kinds: dict[str, Any]) -> None:
    drawn = {"embedding": columns(np.random.default_rng(0), 4_000)["embedding"]}
    stack, references = fit(drawn, {"embedding": "vector"}, seed=0)
    memory = start(bank(stack.maps["embedding"], [references["embedding"]]))
    pane = 8 * stack.maps["embedding"].size
    assert len(wire.encode_memories({"embedding": memory})) + pane < 16 * 1024
