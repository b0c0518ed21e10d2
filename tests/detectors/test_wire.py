from typing import Any

import numpy as np
import pytest

from detectors import wire
from detectors.base import summarise
from detectors.reference import Kind, fit
from detectors.sequential import advance, start

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
def test_a_monitor_goes_on_where_it_stopped(shift: float) -> None:
    random = np.random.default_rng(0)
    stack, references = fit({"x": random.normal(size=500)}, {"x": "scalar"}, seed=0)
    reference = references["x"]
    kept, stored = start(reference), start(reference)
    for _ in range(10):
        pane = summarise(stack.apply({"x": random.normal(shift, 1.0, size=16)}))
        kept, told = advance(kept, reference, pane, threshold=1e3)
        stored = wire.decode_monitors(wire.encode_monitors({"x": stored}))["x"]
        stored, told_again = advance(stored, reference, pane, threshold=1e3)
    assert told.drifted == (shift > 0)
    assert told_again.log_e == told.log_e
    assert wire.encode_monitors({"x": stored}) == wire.encode_monitors({"x": kept})


@pytest.mark.parametrize("encoded", [b"", b"\x00", b"\x02\x90"])
def test_another_version_is_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError, match="expected wire version 1"):
        wire.decode_stack(encoded)


def test_a_monitor_of_an_embedding_takes_less_than_16_kib(columns: Columns, kinds: dict[str, Any]) -> None:
    drawn = {"embedding": columns(np.random.default_rng(0), 100)["embedding"]}
    _, references = fit(drawn, {"embedding": "vector"}, seed=0)
    assert len(wire.encode_monitors({"embedding": start(references["embedding"])})) < 16 * 1024
