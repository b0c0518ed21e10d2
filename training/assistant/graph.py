"""The decoder as an ONNX graph in the layout of Optimum's exports, made with numpy and onnx alone.

Inputs ``input_ids (b, s)``, ``attention_mask (b, p+s)``, ``position_ids (b, s)``, ``past_key_values.N.key`` and
``.value (b, heads, p, head)``; outputs ``logits (b, s, v)``, ``present.N.key`` and ``.value (b, heads, p+s, head)``.
Matrices are initializers named as Hugging Face names them, ``(in, out)``. They are kept in half precision and computed
with in single precision: ONNX Runtime has no half-precision kernels for the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.assistant.shape import Shape

OPSET = 17
IR = 8
EPSILON = 1e-6
MASKED = -30_000.0  # a half holds it; its exponential is 0
Array = NDArray[Any]


@dataclass(slots=True)
class Graph:
    """Nodes and constants as they are added; every method returns the name of what it adds."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def add(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def split(self, value: str, sizes: Sequence[int], names: Sequence[str]) -> Sequence[str]:
        inputs = [value, self.constant(np.array(sizes, np.int64), f"sizes.{'.'.join(map(str, sizes))}")]
        self.nodes.append(helper.make_node("Split", inputs, list(names), name=f"{names[0]}.split", axis=-1))
        return names

    def constant(self, value: Array, name: str) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(value, name))
        return name

    def half(self, value: Array, name: str) -> str:
        """A matrix kept in half precision, given in single."""
        self.constant(value.astype(np.float16), name)
        return self.add("Cast", [name], f"{name}.single", to=TensorProto.FLOAT)

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64), f"ints.{'.'.join(map(str, values))}")

    def number(self, value: float) -> str:
        return self.constant(np.array(value, np.float32), f"number.{value}")


def decoder(weights: Mapping[str, Array], shape: Shape) -> onnx.ModelProto:
    """The graph of weights named as in ``network.Decoder.state_dict``."""
    graph = Graph()
    table = graph.half(weights["embedding.weight"] * np.sqrt(shape.width), "model.embed_tokens.weight")
    x = graph.add("Gather", [table, "input_ids"], "model.embed_tokens")
    cos, sin = angles(graph, shape)
    mask = visible(graph)
    for i in range(shape.layers):
        own = {name.removeprefix(f"layers.{i}."): w for name, w in weights.items() if name.startswith(f"layers.{i}.")}
        x = attention(graph, x, i, own, shape, (cos, sin, mask))
        x = feed_forward(graph, x, i, own)
    y = norm(graph, x, weights["norm.weight"], "model.norm")
    graph.add("MatMul", [y, graph.half(weights["embedding.weight"].T, "lm_head.weight")], "logits")
    return assembled(graph, shape)


def attention(
    graph: Graph, x: str, i: int, weights: Mapping[str, Array], shape: Shape, given: tuple[str, str, str]
) -> str:
    """``x`` and what the layer saw, past and present."""
    cos, sin, mask = given
    at = f"model.layers.{i}.self_attn"
    y = norm(graph, x, weights["attention_norm.weight"], f"model.layers.{i}.input_layernorm")
    heads = {}
    for name in "qkv":
        z = linear(graph, y, weights[f"{name}.weight"], f"{at}.{name}_proj")
        if f"{name}.bias" in weights:
            bias = graph.constant(weights[f"{name}.bias"], f"{at}.{name}_proj.bias")
            z = graph.add("Add", [z, bias], f"{at}.{name}_proj.out")
        z = graph.add("Reshape", [z, graph.ints(0, 0, shape.heads, shape.head)], f"{at}.{name}.heads")
        heads[name] = graph.add("Transpose", [z], f"{at}.{name}.by_head", perm=[0, 2, 1, 3])
    q, k = (turned(graph, heads[name], cos, sin, shape, f"{at}.{name}") for name in "qk")
    k = graph.add("Concat", [f"past_key_values.{i}.key", k], f"present.{i}.key", axis=2)
    v = graph.add("Concat", [f"past_key_values.{i}.value", heads["v"]], f"present.{i}.value", axis=2)
    scores = graph.add("MatMul", [q, graph.add("Transpose", [k], f"{at}.kT", perm=[0, 1, 3, 2])], f"{at}.qk")
    scaled = graph.add("Mul", [scores, graph.number(shape.head**-0.5)], f"{at}.scaled")
    share = graph.add("Softmax", [graph.add("Add", [scaled, mask], f"{at}.masked")], f"{at}.share", axis=-1)
    seen = graph.add("Transpose", [graph.add("MatMul", [share, v], f"{at}.seen")], f"{at}.by_token", perm=[0, 2, 1, 3])
    flat = graph.add("Reshape", [seen, graph.ints(0, 0, shape.width)], f"{at}.flat")
    return graph.add("Add", [x, linear(graph, flat, weights["o.weight"], f"{at}.o_proj")], f"{at}.residual")


def feed_forward(graph: Graph, x: str, i: int, weights: Mapping[str, Array]) -> str:
    at = f"model.layers.{i}.mlp"
    y = norm(graph, x, weights["mlp_norm.weight"], f"model.layers.{i}.post_attention_layernorm")
    up = graph.add("Relu", [linear(graph, y, weights["up.weight"], f"{at}.up_proj")], f"{at}.relu")
    squared = graph.add("Mul", [up, up], f"{at}.squared")
    return graph.add("Add", [x, linear(graph, squared, weights["down.weight"], f"{at}.down_proj")], f"{at}.residual")


def linear(graph: Graph, x: str, weight: Array, name: str) -> str:
    return graph.add("MatMul", [x, graph.half(weight.T, f"{name}.weight")], name)


def norm(graph: Graph, x: str, weight: Array, name: str) -> str:
    """Root mean square normalisation."""
    mean = graph.add("ReduceMean", [graph.add("Mul", [x, x], f"{name}.square")], f"{name}.mean", axes=[-1], keepdims=1)
    root = graph.add("Sqrt", [graph.add("Add", [mean, graph.number(EPSILON)], f"{name}.eps")], f"{name}.root")
    scale = graph.constant(weight, f"{name}.weight")
    return graph.add("Mul", [graph.add("Div", [x, root], f"{name}.unit"), scale], name)


def angles(graph: Graph, shape: Shape) -> tuple[str, str]:
    """Cosines and sines ``(b, 1, s, rotary/2)`` of the positions."""
    half = shape.rotary // 2
    frequencies = (shape.base ** (-np.arange(half) / half)).astype(np.float32)
    at = graph.add("Cast", ["position_ids"], "rotary.position", to=TensorProto.FLOAT)
    at = graph.add("Unsqueeze", [at, graph.ints(1, 3)], "rotary.column")
    turns = graph.add("Mul", [at, graph.constant(frequencies, "rotary.frequencies")], "rotary.turns")
    return graph.add("Cos", [turns], "rotary.cos"), graph.add("Sin", [turns], "rotary.sin")


def turned(graph: Graph, x: str, cos: str, sin: str, shape: Shape, name: str) -> str:
    half = shape.rotary // 2
    parts = graph.split(x, [half, half, shape.head - shape.rotary], [f"{name}.{part}" for part in "abc"])
    a, b, rest = parts
    ac, bs = graph.add("Mul", [a, cos], f"{name}.ac"), graph.add("Mul", [b, sin], f"{name}.bs")
    bc, as_ = graph.add("Mul", [b, cos], f"{name}.bc"), graph.add("Mul", [a, sin], f"{name}.as")
    first, second = graph.add("Sub", [ac, bs], f"{name}.first"), graph.add("Add", [bc, as_], f"{name}.second")
    return graph.add("Concat", [first, second, rest], f"{name}.turned", axis=-1)


def visible(graph: Graph) -> str:
    """0 where a token may look and ``MASKED`` elsewhere, ``(b, 1, s, p+s)``: back, and not at padding."""
    total = graph.add("Gather", [graph.add("Shape", ["attention_mask"], "mask.shape"), graph.ints(1)], "mask.total1")
    fresh = graph.add("Gather", [graph.add("Shape", ["input_ids"], "ids.shape"), graph.ints(1)], "mask.fresh1")
    total, fresh = (graph.add("Squeeze", [each], each[:-1]) for each in (total, fresh))
    zero, one = (graph.constant(np.array(i, np.int64), f"int.{i}") for i in (0, 1))
    columns = graph.add("Range", [zero, total, one], "mask.columns")
    past = graph.add("Sub", [total, fresh], "mask.past")
    rows = graph.add("Unsqueeze", [graph.add("Range", [past, total, one], "mask.rows"), graph.ints(1)], "mask.row")
    behind = graph.add("LessOrEqual", [columns, rows], "mask.behind")
    real = graph.add("Cast", ["attention_mask"], "mask.bool", to=TensorProto.BOOL)
    real = graph.add("Unsqueeze", [real, graph.ints(1, 2)], "mask.real")
    both = graph.add("And", [behind, real], "mask.both")
    return graph.add("Where", [both, graph.number(0.0), graph.number(MASKED)], "mask")


def assembled(graph: Graph, shape: Shape) -> onnx.ModelProto:
    ids, single = TensorProto.INT64, TensorProto.FLOAT
    inputs = [
        helper.make_tensor_value_info("input_ids", ids, ["batch", "sequence"]),
        helper.make_tensor_value_info("attention_mask", ids, ["batch", "total"]),
        helper.make_tensor_value_info("position_ids", ids, ["batch", "sequence"]),
    ]
    outputs = [helper.make_tensor_value_info("logits", single, ["batch", "sequence", shape.vocabulary])]
    for i in range(shape.layers):
        for part in ("key", "value"):
            cache = ("batch", shape.heads, "past", shape.head), ("batch", shape.heads, "total", shape.head)
            inputs.append(helper.make_tensor_value_info(f"past_key_values.{i}.{part}", single, cache[0]))
            outputs.append(helper.make_tensor_value_info(f"present.{i}.{part}", single, cache[1]))
    body = helper.make_graph(graph.nodes, "assistant", inputs, outputs, list(graph.constants.values()))
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(model, full_check=True)
    return model
