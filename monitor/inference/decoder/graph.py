"""A decoder's graph with a head of our own: it picks the next token and tells its statistics, on the device.

The head reads one place per row, so that logits of a whole prompt are never made. It appends (r rows, v tokens, k ≤ 20)

    logprobs      (r, v)  log softmax of the logits in float32: raw, before any temperature
    entropy       (r,)    -Σ p log p over the whole vocabulary, in nats
    topk_ids      (r, k)  the most probable tokens, and
    topk_logprobs (r, k)  their log-probabilities, best first
    token         (r,)    the most probable one where the temperature is 0, else the first whose cumulated probability
                          under softmax(logits / temperature) exceeds the row's uniform number: an exact draw
    logprob       (r,)    its raw log-probability

from the inputs ``head.places (r, 2)`` (row and position), ``head.temperature (r,)`` and ``head.uniform (r,)``. What
leaves the device are 252 bytes a row instead of the 608 kB of a vocabulary of 152k.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from monitor.errors import Permanent

Layout: TypeAlias = Literal["growing", "shared"]

TOP = 20
LEAST_OPSET = 13
HEAD_INPUTS = ("head.places", "head.temperature", "head.uniform")
HEAD_OUTPUTS = ("token", "logprob", "entropy", "topk_ids", "topk_logprobs")
WHOLE = "logprobs"
# Operators whose rows do not depend on each other: places are taken before them. int8 products are none of these,
# since their scale is that of the whole activation.
ROWWISE = ("MatMul", "MatMulNBits", "Gemm")


@dataclass(frozen=True, slots=True)
class DecoderGraph:
    """A decoder with the head, ready for a session, and what was read off it.

    Attributes:
        content: the serialised graph; large weights stay in the folder's files.
        layout: ``growing`` where past and present are concatenated, ``shared`` where they are one buffer.
        precision: of the weights.
        group: weights that share a scale, where they are quantized in blocks.
    """

    content: bytes
    layout: Layout
    vocabulary: int
    precision: Literal["fp32", "fp16", "int8", "int4"]
    group: int | None


def with_head(path: Path, *, top: int = TOP) -> DecoderGraph:
    """The graph of a file with the head appended.

    Raises:
        Permanent: The file is no ONNX graph, or no decoder of a kind we know.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except FileNotFoundError as error:
        raise Permanent(f"no model at {path}") from error
    except Exception as error:  # protobuf's DecodeError has no stable home
        raise Permanent(f"{path}: not an ONNX graph: {error}") from error
    opset = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=0)
    if opset < LEAST_OPSET:
        raise Permanent(f"{path}: expected opset {LEAST_OPSET} or newer, got {opset}")
    graph = model.graph
    logits = next((each for each in graph.output if each.name == "logits"), None)
    if logits is None:
        raise Permanent(f"{path}: expected an output named logits, got {names(graph.output)}")
    vocabulary = logits.type.tensor_type.shape.dim[-1].dim_value or width_of(graph)
    if vocabulary < 2:
        raise Permanent(f"{path}: the size of the vocabulary can't be read off the output logits")
    operators = {node.op_type for node in graph.node}
    precision, group = precision_of(graph, operators)
    append(graph, take_places(graph), min(top, vocabulary))
    layout: Layout = "shared" if "GroupQueryAttention" in operators else "growing"
    return DecoderGraph(model.SerializeToString(), layout, vocabulary, precision, group)


def names(values: Any) -> str:
    return ", ".join(value.name for value in values)


def width_of(graph: Any) -> int:
    """Columns of the last weight, where the output does not say how many tokens there are."""
    node = next(node for node in graph.node if "logits" in node.output)
    sizes = [list(each.dims) for each in graph.initializer if each.name in node.input]
    return int(sizes[0][-1]) if sizes and sizes[0] else 0


def precision_of(graph: Any, operators: set[str]) -> tuple[Literal["fp32", "fp16", "int8", "int4"], int | None]:
    """What the weights of the products are kept in, and the size of their blocks."""
    for node in graph.node:
        if node.op_type == "MatMulNBits":
            found = {each.name: each.i for each in node.attribute}
            return ("int8" if found["bits"] == 8 else "int4"), found["block_size"]
    if operators & {"MatMulInteger", "DynamicQuantizeMatMul", "QLinearMatMul", "MatMulIntegerToFloat"}:
        return "int8", None
    kinds = [each.data_type for each in graph.initializer if len(each.dims) == 2]
    halves = sum(kind == TensorProto.FLOAT16 for kind in kinds)
    return ("fp16" if halves * 2 > len(kinds) else "fp32"), None


def take_places(graph: Any) -> str:
    """The logits ``(r, v)`` of the rows and positions asked for; the graph's own output gives way to them."""
    graph.output.remove(next(each for each in graph.output if each.name == "logits"))
    last = next(node for node in graph.node if "logits" in node.output)
    initial = {each.name for each in graph.initializer}
    if last.op_type in ROWWISE and last.input[0] not in initial:
        taken = helper.make_node("GatherND", [last.input[0], "head.places"], ["head.hidden"])
        last.input[0] = "head.hidden"
        place = next(i for i, node in enumerate(graph.node) if node is last or node.output == last.output)
        graph.node.insert(place, taken)
        return "logits"
    graph.node.append(helper.make_node("GatherND", ["logits", "head.places"], ["head.logits"]))
    return "head.logits"


def append(graph: Any, logits: str, top: int) -> None:
    """Add the head to a graph whose logits are ``(r, v)``."""
    nodes: list[Any] = []

    def node(op: str, *inputs: str, out: str | None = None, outs: tuple[str, ...] = (), **attributes: Any) -> str:
        made = outs or (out or f"head.{op}.{len(nodes)}",)
        nodes.append(helper.make_node(op, inputs, made, **attributes))
        return made[0]

    def constant(name: str, value: Any) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), f"head.{name}"))
        return f"head.{name}"

    last = constant("last", np.array([-1], np.int64))
    logprobs = node("LogSoftmax", node("Cast", logits, to=TensorProto.FLOAT), out=WHOLE, axis=-1)
    # Masked tokens have -inf, and 0 · -inf is no number.
    finite = node("Max", logprobs, constant("least", np.float32(-1e4)))
    spread = node("Mul", node("Exp", finite), finite)
    node("Neg", node("ReduceSum", spread, last, keepdims=0), out="entropy")
    node("TopK", logprobs, constant("k", np.array([top], np.int64)), outs=("topk_logprobs", "topk_ids"), axis=-1)
    greedy = node("Gather", "topk_ids", constant("first", np.array([0], np.int64)), axis=1)

    warm = node("Unsqueeze", node("Max", "head.temperature", constant("tiny", np.float32(1e-6))), last)
    share = node("Cast", node("Softmax", node("Div", finite, warm), axis=-1), to=TensorProto.DOUBLE)
    summed = node("CumSum", share, constant("axis", np.array(1, np.int64)))
    whole = node("Gather", summed, constant("end", np.array([-1], np.int64)), axis=1)
    target = node("Mul", node("Unsqueeze", node("Cast", "head.uniform", to=TensorProto.DOUBLE), last), whole)
    # Those whose sum the number has not left behind; counted in float32, which is exact up to 2²⁴.
    passed = node("Cast", node("Not", node("Greater", summed, target)), to=TensorProto.FLOAT)
    drawn = node("Cast", node("ReduceSum", passed, last, keepdims=1), to=TensorProto.INT64)
    warmer = node("Unsqueeze", node("Greater", "head.temperature", constant("zero", np.float32(0))), last)
    token = node("Where", warmer, drawn, greedy)
    node("Squeeze", token, last, out="token")
    node("Squeeze", node("GatherElements", logprobs, token, axis=1), last, out="logprob")

    graph.node.extend(nodes)
    value = helper.make_tensor_value_info
    graph.input.extend([
        value("head.places", TensorProto.INT64, ["rows", 2]),
        value("head.temperature", TensorProto.FLOAT, ["rows"]),
        value("head.uniform", TensorProto.FLOAT, ["rows"]),
    ])  # fmt: skip
    graph.output.extend([
        value("token", TensorProto.INT64, ["rows"]),
        value("logprob", TensorProto.FLOAT, ["rows"]),
        value("entropy", TensorProto.FLOAT, ["rows"]),
        value("topk_ids", TensorProto.INT64, ["rows", top]),
        value("topk_logprobs", TensorProto.FLOAT, ["rows", top]),
        value(WHOLE, TensorProto.FLOAT, ["rows", None]),
    ])  # fmt: skip
