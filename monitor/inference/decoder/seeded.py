"""Decoders of seeded random weights in both common exports, for tests, benchmarks and trials without a model.

The architecture is Llama's (RMS norms, rotary positions, grouped queries, gated feed-forward); ``seeded_folder`` adds
the files that exports come with. Both exports of one shape and seed hold the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

Export: TypeAlias = Literal["growing", "shared"]
Weights: TypeAlias = Mapping[str, NDArray[Any]]

EPSILON = 1e-5
THETA = 10_000.0
OPSET = 17
SPECIAL = ("<|end|>", "<|user|>", "<|assistant|>", "<|system|>")
TEMPLATE = """{%- if documents %}{% for each in documents %}{{ each.text }}
{% endfor %}{% endif %}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}
{%- if add_generation_prompt %}<|assistant|>{% endif %}"""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a decoder; a head has ``width / heads`` dimensions, a multiple of 16."""

    vocabulary: int = 260
    width: int = 64
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    inner: int = 96
    positions: int = 256

    @property
    def head(self) -> int:
        return self.width // self.heads


def seeded_weights(shape: Shape, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Weights by name, scaled so that activations keep their size and logits a standard deviation of about 2."""
    rng = np.random.default_rng(seed)

    def matrix(rows: int, columns: int, scale: float = 1.0) -> NDArray[np.float32]:
        made: NDArray[np.float32] = (rng.standard_normal((rows, columns)) * scale / np.sqrt(rows)).astype(np.float32)
        return made

    kv = shape.kv_heads * shape.head
    found = {"embedding": rng.standard_normal((shape.vocabulary, shape.width)).astype(np.float32)}
    for layer in range(shape.layers):
        found |= {
            f"{layer}.norm": np.ones(shape.width, np.float32),
            f"{layer}.q": matrix(shape.width, shape.width),
            f"{layer}.k": matrix(shape.width, kv),
            f"{layer}.v": matrix(shape.width, kv),
            f"{layer}.o": matrix(shape.width, shape.width),
            f"{layer}.norm2": np.ones(shape.width, np.float32),
            f"{layer}.gate": matrix(shape.width, shape.inner),
            f"{layer}.up": matrix(shape.width, shape.inner),
            f"{layer}.down": matrix(shape.inner, shape.width),
        }
    return found | {"norm": np.ones(shape.width, np.float32), "head": matrix(shape.width, shape.vocabulary, 2.0)}


def rotations(shape: Shape) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosines and sines ``(positions, head / 2)``, halves rotated as in Llama."""
    frequencies = THETA ** (-np.arange(0, shape.head, 2) / shape.head)
    angles = np.arange(shape.positions)[:, None] * frequencies
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def seeded_folder(
    folder: Path, export: Export, shape: Shape | None = None, *, seed: int = 0, half: bool = False
) -> Path:
    """A model folder as Optimum ("growing") or the GenAI builder ("shared") writes it; tokens are single bytes."""
    shape = shape or Shape()
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(graph_of(export, shape, seeded_weights(shape, seed), half=half), folder / "model.onnx")
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    config = {
        "model_type": "llama", "vocab_size": shape.vocabulary, "eos_token_id": 256,
        "max_position_embeddings": shape.positions,
    }  # fmt: skip
    (folder / "config.json").write_bytes(msgspec.json.encode(config))
    tokenizer = {"chat_template": TEMPLATE, "eos_token": SPECIAL[0]}
    (folder / "tokenizer_config.json").write_bytes(msgspec.json.encode(tokenizer))
    return folder


def byte_tokenizer() -> Tokenizer:
    """256 tokens of one byte each, then the special ones."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(each, special=True) for each in SPECIAL])
    return tokenizer


def graph_of(export: Export, shape: Shape, weights: Weights, *, half: bool = False) -> onnx.ModelProto:
    """The decoder as ONNX; ``half`` keeps weights, activations and cache in float16."""
    graph = _Graph(TensorProto.FLOAT16 if half else TensorProto.FLOAT)
    for name, value in weights.items():
        graph.constant(name, value)
    cosines, sines = rotations(shape)
    graph.constant("cosines", cosines)
    graph.constant("sines", sines)
    attention = _Growing(graph, shape) if export == "growing" else _Shared(graph, shape)
    x = graph("Gather", "embedding", "input_ids", axis=0)
    for layer in range(shape.layers):
        y = graph.normed(x, f"{layer}.norm")
        q, k, v = (graph("MatMul", y, f"{layer}.{each}") for each in "qkv")
        x = graph("Add", x, graph("MatMul", attention(layer, q, k, v), f"{layer}.o"))
        y = graph.normed(x, f"{layer}.norm2")
        gate = graph("MatMul", y, f"{layer}.gate")
        silu = graph("Mul", gate, graph("Sigmoid", gate))
        inner = graph("Mul", silu, graph("MatMul", y, f"{layer}.up"))
        x = graph("Add", x, graph("MatMul", inner, f"{layer}.down"))
    graph("MatMul", graph.normed(x, "norm"), "head", out="logits")
    return graph.model(*_interface(shape, graph.kind, positions=export == "growing"))


class _Graph:
    """Nodes in the order they are called, each with a name of its own."""

    def __init__(self, kind: int) -> None:
        self.kind = kind
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def __call__(self, op: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        name = out or f"{op}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def constant(self, name: str, value: Any, *, narrow: bool = True) -> str:
        array = np.asarray(value)
        if narrow and array.dtype.kind == "f":
            array = array.astype(np.float16 if self.kind == TensorProto.FLOAT16 else np.float32)
        self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def ints(self, *values: int) -> str:
        return self.constant(f"ints.{'.'.join(map(str, values))}", np.array(values, np.int64))

    def scalar(self, value: int) -> str:
        return self.constant(f"scalar.{value}", np.array(value, np.int64))

    def normed(self, x: str, weight: str) -> str:
        """The RMS norm, in float32 as usual."""
        wide = self("Cast", x, to=TensorProto.FLOAT)
        mean = self("ReduceMean", self("Mul", wide, wide), axes=[-1])
        epsilon = self.constant("epsilon", np.array(EPSILON, np.float32), narrow=False)
        root = self("Sqrt", self("Add", mean, epsilon))
        return self("Mul", self("Cast", self("Div", wide, root), to=self.kind), weight)

    def model(self, inputs: list[Any], outputs: list[Any]) -> onnx.ModelProto:
        made = helper.make_graph(self.nodes, "decoder", inputs, outputs, list(self.constants.values()))
        domains = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(made, opset_imports=domains, ir_version=9)


def _interface(shape: Shape, kind: int, *, positions: bool) -> tuple[list[Any], list[Any]]:
    """The inputs and outputs that exports have."""
    value = helper.make_tensor_value_info
    inputs = [value("input_ids", TensorProto.INT64, ["batch", "new"])]
    inputs.append(value("attention_mask", TensorProto.INT64, ["batch", "total"]))
    if positions:
        inputs.append(value("position_ids", TensorProto.INT64, ["batch", "new"]))
    outputs = [value("logits", kind, ["batch", "new", shape.vocabulary])]
    for layer in range(shape.layers):
        for part in ("key", "value"):
            sizes = ["batch", shape.kv_heads, "past", shape.head]
            inputs.append(value(f"past_key_values.{layer}.{part}", kind, sizes))
            outputs.append(value(f"present.{layer}.{part}", kind, ["batch", shape.kv_heads, "with_past", shape.head]))
    return inputs, outputs


class _Growing:
    """Attention of primitive operators; the cache is concatenated, as Optimum exports it."""

    def __init__(self, graph: _Graph, shape: Shape) -> None:
        self.graph, self.shape = graph, shape
        g = graph
        new = g("Squeeze", g("Slice", g("Shape", "input_ids"), g.ints(1), g.ints(2)), g.ints(0))
        total = g("Squeeze", g("Slice", g("Shape", "attention_mask"), g.ints(1), g.ints(2)), g.ints(0))
        columns = g("Range", g.scalar(0), total, g.scalar(1))
        rows = g("Range", g("Sub", total, new), total, g.scalar(1))
        causal = g("LessOrEqual", g("Unsqueeze", columns, g.ints(0)), g("Unsqueeze", rows, g.ints(1)))
        valid = g("Unsqueeze", g("Cast", "attention_mask", to=TensorProto.BOOL), g.ints(1, 2))
        self.seen = g("And", valid, causal)  # (batch, 1, new, total)
        self.zero = g.constant("zero", np.array(0.0))
        self.minus = g.constant("minus", np.array(-1e4))
        self.scale = g.constant("scale", np.array(shape.head**-0.5))
        self.rotation = [
            g("Unsqueeze", g("Gather", table, "position_ids", axis=0), g.ints(1)) for table in ("cosines", "sines")
        ]

    def __call__(self, layer: int, q: str, k: str, v: str) -> str:
        g, shape = self.graph, self.shape
        q = self.turned(self.split(q, shape.heads))
        k, v = self.turned(self.split(k, shape.kv_heads)), self.split(v, shape.kv_heads)
        k = g("Concat", f"past_key_values.{layer}.key", k, axis=2, out=f"present.{layer}.key")
        v = g("Concat", f"past_key_values.{layer}.value", v, axis=2, out=f"present.{layer}.value")
        scores = g("Mul", g("MatMul", q, g("Transpose", self.repeated(k), perm=[0, 1, 3, 2])), self.scale)
        scores = g("Add", scores, g("Where", self.seen, self.zero, self.minus))
        mixed = g("MatMul", g("Softmax", scores, axis=-1), self.repeated(v))
        return g("Reshape", g("Transpose", mixed, perm=[0, 2, 1, 3]), g.ints(0, 0, shape.width))

    def split(self, x: str, heads: int) -> str:
        g = self.graph
        return g("Transpose", g("Reshape", x, g.ints(0, 0, heads, self.shape.head)), perm=[0, 2, 1, 3])

    def turned(self, x: str) -> str:
        g, half = self.graph, self.shape.head // 2
        low = g("Slice", x, g.ints(0), g.ints(half), g.ints(3))
        high = g("Slice", x, g.ints(half), g.ints(2 * half), g.ints(3))
        cosine, sine = self.rotation
        first = g("Sub", g("Mul", low, cosine), g("Mul", high, sine))
        second = g("Add", g("Mul", high, cosine), g("Mul", low, sine))
        return g("Concat", first, second, axis=3)

    def repeated(self, x: str) -> str:
        """Keys or values ``(batch, kv_heads, total, head)`` for every query head."""
        g, shape = self.graph, self.shape
        times = shape.heads // shape.kv_heads
        if times == 1:
            return x
        wide = g("Tile", g("Unsqueeze", x, g.ints(2)), g.ints(1, 1, times, 1, 1))
        return g("Reshape", wide, g.ints(0, shape.heads, -1, shape.head))


class _Shared:
    """GroupQueryAttention of ONNX Runtime over buffers of full length, as the GenAI builder exports it."""

    def __init__(self, graph: _Graph, shape: Shape) -> None:
        self.graph, self.shape = graph, shape
        g = graph
        counted = g("Sub", g("ReduceSum", "attention_mask", g.ints(1), keepdims=0), g.scalar(1))
        self.lengths = g("Cast", counted, to=TensorProto.INT32)
        total = g("Gather", g("Shape", "attention_mask"), g.scalar(1), axis=0)
        self.total = g("Cast", total, to=TensorProto.INT32)

    def __call__(self, layer: int, q: str, k: str, v: str) -> str:
        past = [f"past_key_values.{layer}.{part}" for part in ("key", "value")]
        present = [f"present.{layer}.{part}" for part in ("key", "value")]
        out = f"attention.{layer}"
        node = helper.make_node(
            "GroupQueryAttention", [q, k, v, *past, self.lengths, self.total, "cosines", "sines"], [out, *present],
            domain="com.microsoft", num_heads=self.shape.heads, kv_num_heads=self.shape.kv_heads, do_rotary=1,
        )  # fmt: skip
        self.graph.nodes.append(node)
        return out
