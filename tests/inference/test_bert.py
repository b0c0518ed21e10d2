"""The graph against the paper's formulas in plain numpy and float64."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from scipy.special import erf, softmax
from tokenizers import Tokenizer

from monitor.errors import Permanent
from monitor.inference.bert import BertConfig, sentence_encoder
from monitor.inference.build import find_source
from monitor.inference.encoder import Encoder
from monitor.inference.safetensors import read_safetensors

Weights = Mapping[str, NDArray[Any]]

MINILM = BertConfig("bert", 384, "gelu", 12, 6, 1e-12)
SMALL = BertConfig("bert", 24, "gelu", 3, 2, 1e-6)


def embed(weights: Weights, config: BertConfig, ids: list[int]) -> Any:
    """The embedding of one text, without padding, one head at a time."""
    w = {name: np.asarray(value, np.float64) for name, value in weights.items() if "embeddings.word" not in name}

    def dense(x: NDArray[np.float64], name: str) -> Any:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x: NDArray[np.float64], name: str) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + config.layer_norm_eps)
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    words = weights["embeddings.word_embeddings.weight"][ids].astype(np.float64)
    places = w["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(words + places + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    width = config.hidden_size // config.num_attention_heads
    for layer in range(config.num_hidden_layers):
        p = f"encoder.layer.{layer}"
        q, k, v = (dense(x, f"{p}.attention.self.{part}") for part in ("query", "key", "value"))
        heads = [slice(h * width, (h + 1) * width) for h in range(config.num_attention_heads)]
        seen = [softmax(q[:, h] @ k[:, h].T / np.sqrt(width), axis=-1) @ v[:, h] for h in heads]
        attended = dense(np.concatenate(seen, axis=1), f"{p}.attention.output.dense")
        x = norm(attended + x, f"{p}.attention.output.LayerNorm")
        wide = dense(x, f"{p}.intermediate.dense")
        gelu = wide * (1 + erf(wide / np.sqrt(2))) / 2
        x = norm(dense(gelu, f"{p}.output.dense") + x, f"{p}.output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def random_weights(config: BertConfig, *, vocabulary: int = 50, positions: int = 16) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(7)
    d = config.hidden_size
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (vocabulary, d),
        "embeddings.position_embeddings.weight": (positions, d),
        "embeddings.token_type_embeddings.weight": (2, d),
        "embeddings.LayerNorm.weight": (d,),
        "embeddings.LayerNorm.bias": (d,),
    }
    for layer in range(config.num_hidden_layers):
        p = f"encoder.layer.{layer}"
        square = [f"{p}.attention.self.{part}" for part in ("query", "key", "value")]
        square.append(f"{p}.attention.output.dense")
        for name in square:
            shapes |= {f"{name}.weight": (d, d), f"{name}.bias": (d,)}
        for name in (f"{p}.attention.output.LayerNorm", f"{p}.output.LayerNorm"):
            shapes |= {f"{name}.weight": (d,), f"{name}.bias": (d,)}
        shapes |= {f"{p}.intermediate.dense.weight": (4 * d, d), f"{p}.intermediate.dense.bias": (4 * d,)}
        shapes |= {f"{p}.output.dense.weight": (d, 4 * d), f"{p}.output.dense.bias": (d,)}
    return {name: rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}


def test_the_model_equals_a_float64_forward_pass(minilm: Path, encoder: Encoder) -> None:
    texts = [
        "",
        "hello world",
        "How do I reset my password? I never got the e-mail.",
        "La réponse est 42 — naïve, non? 漢字 too.",
        "one two three four five six seven eight nine ten " * 12,
    ]
    tokenizer = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    weights = read_safetensors(find_source() / "model.safetensors")
    expected = np.stack([embed(weights, MINILM, tokenizer.encode(text).ids) for text in texts])
    assert tokenizer.encode("hello world").ids == [101, 7592, 2088, 102]
    np.testing.assert_allclose(encoder.encode(texts), expected, atol=1e-6)


def test_a_small_random_model_equals_a_float64_forward_pass_whatever_the_padding() -> None:
    weights = random_weights(SMALL)
    session = onnxruntime.InferenceSession(sentence_encoder(weights, SMALL).SerializeToString())
    rng = np.random.default_rng(8)
    rows = [rng.integers(0, 50, length).tolist() for length in (16, 1, 9, 2)]
    ids = np.array([row + [49] * (16 - len(row)) for row in rows])
    mask = np.array([[1] * len(row) + [0] * (16 - len(row)) for row in rows])
    [got] = session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})
    np.testing.assert_allclose(got, [embed(weights, SMALL, row) for row in rows], atol=2e-6)


def test_another_architecture_is_refused_by_name() -> None:
    with pytest.raises(Permanent, match="expected hidden_act 'gelu', got 'relu'"):
        sentence_encoder({}, BertConfig("bert", 24, "relu", 3, 2, 1e-6))


def test_a_missing_tensor_is_named() -> None:
    weights = random_weights(SMALL)
    del weights["encoder.layer.1.output.dense.bias"]
    with pytest.raises(Permanent, match=r"lack the tensor 'encoder\.layer\.1\.output\.dense\.bias'"):
        sentence_encoder(weights, SMALL)
