"""The language model that ships: its files agree, and neither cache nor padding matters."""

import math

import msgspec
import numpy as np
import pytest
from tokenizers import Tokenizer

from benchmarks.assistant.answering import Answerer
from monitor.inference.runtime import open_session
from monitor.inference.shipped import ASSISTANT
from training.assistant.corpus import orrelbox


@pytest.fixture(scope="module")
def assistant() -> Answerer:
    return Answerer.load(ASSISTANT, ASSISTANT / "chat_template.jinja")


def test_it_is_small_and_its_configuration_is_that_of_its_files() -> None:
    config = msgspec.json.decode((ASSISTANT / "config.json").read_bytes())
    tokenizer = Tokenizer.from_file(str(ASSISTANT / "tokenizer.json"))
    session = open_session(ASSISTANT / "model.onnx")
    past = [node for node in session.get_inputs() if node.name.startswith("past_key_values.")]
    assert (ASSISTANT / "model.onnx").stat().st_size <= 8e6
    assert tokenizer.get_vocab_size() == config["vocab_size"] == session.get_outputs()[0].shape[-1]
    assert len(past) == 2 * config["num_hidden_layers"]
    assert list(past[0].shape) == ["batch", config["num_key_value_heads"], "past", config["head_dim"]]
    assert tokenizer.token_to_id("<|end|>") == config["eos_token_id"]


def test_cached_tokens_and_padding_change_nothing(assistant: Answerer) -> None:
    rows = list(orrelbox(1, 6))
    together = assistant.answers(rows)
    for row, one in zip(rows, together, strict=True):
        (alone,) = assistant.answers([row])
        assert alone.text == one.text
        np.testing.assert_allclose(alone.logprob, one.logprob, atol=1e-4)


def test_a_model_without_cache_says_the_same(assistant: Answerer) -> None:
    (row,) = orrelbox(2, 1)
    (answer,) = assistant.answers([row])
    ids = np.array([assistant.encoder.prompt(row) + assistant.encoder.ids(answer.text)])
    session = open_session(ASSISTANT / "model.onnx")
    empty = {
        node.name: np.zeros((1, node.shape[1], 0, node.shape[3]), np.float32)
        for node in session.get_inputs()
        if node.name.startswith("past_key_values.")
    }
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "position_ids": np.arange(ids.shape[1])[None]}
    (logits,) = session.run(["logits"], {**feeds, **empty})
    last = logits[0, -1].astype(np.float64)
    logprob = -math.log(np.exp(last - last.max()).sum())
    assert logprob == pytest.approx(answer.logprob[-1], abs=1e-4)
