import math

import msgspec
import numpy as np
import pytest

from monitor.model.generation import Choice
from monitor.model.trace import Logprobs
from monitor.worker.columns import columns, written

TEXTS = ["a", "b", "c"]


def choice(logprob: float, entropy: float, best: list[float]) -> Choice:
    made = Choice(ids=[1], starts=[0], logprob=[logprob], entropy=[entropy], text="b", finish="stop")
    made.top.add(np.arange(len(best)), np.array(best, np.float32))
    return made


@pytest.mark.parametrize("top", [0, 1, 2])
def test_a_trace_and_the_guard_are_told_the_same(top: int) -> None:
    answer = choice(float(np.float32(-0.1)), float(np.float32(1.7)), [-0.1, -2.3])
    record = msgspec.json.decode(written(answer, TEXTS, top=top), type=Logprobs)
    told = columns(answer, TEXTS, top=top)

    assert (record.token_ids, record.tokens, record.byte_offsets) == ([1], ["b"], [0])
    assert (told.token_ids, told.tokens, told.byte_offsets) == ([1], ["b"], [0])
    assert np.float32(record.logprob) == np.float32(told.logprob) == np.float32([-0.1])
    assert np.float32(record.entropy) == np.float32(told.entropy) == np.float32([1.7])
    assert (record.top_k is None, told.top_k is None) == (top == 0, top == 0)
    if record.top_k is not None and told.top_k is not None:
        assert record.top_k.token_ids == told.top_k.token_ids == [list(range(top))]
        assert np.array_equal(np.float32(record.top_k.logprob), np.float32(told.top_k.logprob))


def test_the_guard_is_told_of_figures_that_are_none() -> None:
    told = columns(choice(-0.1, math.nan, [-0.1, -math.inf]), TEXTS, top=2)
    assert math.isnan(told.entropy[0])
    assert told.top_k is not None
    assert told.top_k.logprob[0][1] == -math.inf
