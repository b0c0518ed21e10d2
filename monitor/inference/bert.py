"""A BERT sentence encoder as an ONNX graph: token ids in, one unit vector per text out.

Devlin et al. 2019 (1810.04805), post-norm, with masked mean pooling and L2 norm inside the graph (Reimers and
Gurevych 2019, 1908.10084). Attention, skip connections and GELU are ONNX Runtime's fused operators (`com.microsoft`),
which its CPU and CUDA providers both have.

Needs `onnx`, an optional extra: import this module late.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import onnx
from numpy.typing import ArrayLike, DTypeLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from monitor.errors import Permanent

Weights = Mapping[str, NDArray[Any]]

_FUSED = "com.microsoft"


class BertConfig(msgspec.Struct, frozen=True):
    """The part of `config.json` that decides the graph."""

    model_type: str
    hidden_size: int
    hidden_act: str
    num_attention_heads: int
    num_hidden_layers: int
    layer_norm_eps: float
    max_position_embeddings: int = 512
    position_embedding_type: str = "absolute"

    def check(self) -> None:
        """Raise `Permanent` where this graph would compute something else than the model."""
        expected = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
        for field, value in expected.items():
            if (got := getattr(self, field)) != value:
                raise Permanent(f"config.json: expected {field} {value!r}, got {got!r}")


class _Graph:
    """Nodes and constants in the order they were added; every method returns the name of what it added."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: ArrayLike, dtype: DTypeLike = np.float32) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype), name))
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.weights[name])

    def transposed(self, name: str) -> str:
        """A dense layer's matrix as (in, out); torch stores (out, in)."""
        return self.constant(f"{name}.T", self.weights[name].T)

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output


def sentence_encoder(weights: Weights, config: BertConfig) -> Any:
    """The checked `ModelProto`: `input_ids`, `attention_mask` (batch, tokens) to `embedding` (batch, hidden)."""
    config.check()
    graph = _Graph(weights)
    try:
        hidden = _embed(graph, config)
        graph.node("Cast", ["attention_mask"], "mask", to=TensorProto.INT32)
        for layer in range(config.num_hidden_layers):
            hidden = _layer(graph, config, f"encoder.layer.{layer}.", hidden)
    except KeyError as error:
        raise Permanent(f"the weights lack the tensor {error}") from error
    _pool(graph, hidden)
    tokens = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    vectors = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", config.hidden_size])]
    proto = helper.make_model(
        helper.make_graph(graph.nodes, "sentence_encoder", tokens, vectors, graph.constants),
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid(_FUSED, 1)],
        ir_version=9,
        producer_name="driftwarden",
    )
    onnx.checker.check_model(proto)
    return proto


def _embed(graph: _Graph, config: BertConfig) -> str:
    graph.node("Gather", [graph.weight("embeddings.word_embeddings.weight"), "input_ids"], "words")
    # Slice, not Gather of a Range: ONNX Runtime 1.32 fuses the latter into an invalid scalar `starts`.
    start, axis = graph.constant("first", [0], np.int64), graph.constant("axis_0", [0], np.int64)
    graph.node("Shape", ["input_ids"], "length", start=1, end=2)
    graph.node("Slice", [graph.weight("embeddings.position_embeddings.weight"), start, "length", axis], "positions")
    # One text per input: the token type is always the first.
    kind = graph.constant("token_type", graph.weights["embeddings.token_type_embeddings.weight"][0])
    graph.node("Add", ["positions", kind], "places")
    graph.node("Add", ["words", "places"], "embedded")
    norm = "embeddings.LayerNorm"
    inputs = ["embedded", graph.weight(f"{norm}.weight"), graph.weight(f"{norm}.bias")]
    return graph.node("LayerNormalization", inputs, "hidden", axis=-1, epsilon=config.layer_norm_eps)


def _layer(graph: _Graph, config: BertConfig, prefix: str, hidden: str) -> str:
    parts = [f"{prefix}attention.self.{part}" for part in ("query", "key", "value")]
    matrix = graph.constant(f"{prefix}qkv.T", np.concatenate([graph.weights[f"{part}.weight"].T for part in parts], 1))
    bias = graph.constant(f"{prefix}qkv.bias", np.concatenate([graph.weights[f"{part}.bias"] for part in parts]))
    heads = config.num_attention_heads
    inputs = [hidden, matrix, bias, "mask"]
    context = graph.node("Attention", inputs, f"{prefix}context", domain=_FUSED, num_heads=heads)
    attended = _dense_and_norm(graph, config, f"{prefix}attention.output.", (context, hidden))
    dense = f"{prefix}intermediate.dense"
    graph.node("MatMul", [attended, graph.transposed(f"{dense}.weight")], f"{prefix}wide")
    wide = graph.node("BiasGelu", [f"{prefix}wide", graph.weight(f"{dense}.bias")], f"{prefix}gelu", domain=_FUSED)
    return _dense_and_norm(graph, config, f"{prefix}output.", (wide, attended))


def _dense_and_norm(graph: _Graph, config: BertConfig, prefix: str, pair: tuple[str, str]) -> str:
    """LayerNorm(dense(x) + skip) of the pair (x, skip)."""
    x, skip = pair
    graph.node("MatMul", [x, graph.transposed(f"{prefix}dense.weight")], f"{prefix}product")
    names = ("LayerNorm.weight", "LayerNorm.bias", "dense.bias")
    inputs = [f"{prefix}product", skip, *(graph.weight(prefix + name) for name in names)]
    epsilon = config.layer_norm_eps
    return graph.node("SkipLayerNormalization", inputs, f"{prefix}normed", domain=_FUSED, epsilon=epsilon)


def _pool(graph: _Graph, hidden: str) -> None:
    """Mean over the unmasked tokens, then unit length."""
    middle, last = graph.constant("axis_1", [1], np.int64), graph.constant("axis_last", [-1], np.int64)
    graph.node("Cast", ["attention_mask"], "kept", to=TensorProto.FLOAT)
    graph.node("Unsqueeze", ["kept", middle], "kept_row")
    graph.node("MatMul", ["kept_row", hidden], "sum_row")
    graph.node("Squeeze", ["sum_row", middle], "sum")
    graph.node("ReduceSum", ["kept", middle], "count", keepdims=1)
    graph.node("Div", ["sum", "count"], "mean")
    graph.node("ReduceL2", ["mean", last], "norm", keepdims=1)
    graph.node("Max", ["norm", graph.constant("least_norm", 1e-12)], "length_of_mean")
    graph.node("Div", ["mean", "length_of_mean"], "embedding")
