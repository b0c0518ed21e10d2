"""The weights of a decoder's graph in another precision, by ONNX Runtime's own quantizers."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from monitor.errors import Permanent
from monitor.model.trace import Quantization

Precision: TypeAlias = Literal["fp32", "fp16", "int8", "int4"]

BLOCKS = (16, 32, 64, 128, 256)
"""Weights that may share a scale in an int4 build; MatMulNBits takes powers of two from 16 on."""
USUAL_BLOCK = 32
LEAST_KEPT = 1024
"""Numbers of an initializer below which half precision would save nothing."""
QUANTIZED = ("MatMulNBits", "MatMulInteger", "DynamicQuantizeMatMul", "DequantizeLinear", "QLinearMatMul")


@dataclass(frozen=True, slots=True, eq=False)
class Quantized:
    """A graph and how its weights were quantized, None where they were not."""

    model: onnx.ModelProto
    quantization: Quantization | None


def quantized(model: onnx.ModelProto, precision: Precision, *, block: int = USUAL_BLOCK) -> Quantized:
    """The graph of single-precision weights in the precision asked for.

    Args:
        model: As ``widened`` gives it; it may be changed.
        precision: ``fp16`` keeps weights in half precision and computes in single, which every provider can.
        block: Weights that share a scale, in int4.

    Raises:
        Permanent: The block is none that ONNX Runtime takes, or the graph has no products to quantize.
    """
    match precision:
        case "fp32":
            return Quantized(model, None)
        case "fp16":
            return Quantized(narrowed(model), None)
        case "int8":
            return Quantized(narrowed(eight_bits(model)), Quantization(method="dynamic", bits=8))
        case "int4":
            made = four_bits(model, block)
            return Quantized(narrowed(made), Quantization(method="round-to-nearest", bits=4, group_size=block))


def eight_bits(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights as int8 with a scale per column, activations quantized as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415  slow to import

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.onnx"
        quantize_dynamic(model, path, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8)
        return checked(onnx.load(path), {"MatMulInteger", "DynamicQuantizeMatMul"})


def four_bits(model: onnx.ModelProto, block: int) -> onnx.ModelProto:
    """Weights rounded to the nearest of sixteen levels, symmetric, a scale per block."""
    if block not in BLOCKS:
        raise Permanent(f"block: expected one of {', '.join(map(str, BLOCKS))}, got {block}")
    try:
        with unchanged_logging():
            from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Permanent(
            f"int4 needs {error.name}, which is not installed; run: pip install 'driftwarden[quantize]'"
        ) from error
    # It tells every node that it does not touch.
    logging.getLogger("onnxruntime.quantization.matmul_nbits_quantizer").setLevel(logging.WARNING)
    quantizer = MatMulNBitsQuantizer(model, bits=4, block_size=block, is_symmetric=True)
    quantizer.process()
    return checked(quantizer.model.model, {"MatMulNBits"})


@contextmanager
def unchanged_logging() -> Iterator[None]:
    """Some modules of ONNX Runtime make all libraries of the process log to its standard error when imported."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def checked(model: onnx.ModelProto, operators: set[str]) -> onnx.ModelProto:
    if not any(node.op_type in operators for node in model.graph.node):
        raise Permanent("the graph has no product with a constant matrix to quantize")
    return model


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with all weights in single precision: those that were kept in half are cast once and for all.

    Raises:
        Permanent: The weights are quantized already, or the graph computes in half precision.
    """
    if found := next((node for node in model.graph.node if node.op_type in QUANTIZED), None):
        raise Permanent(f"the weights are quantized already ({found.op_type}); start from the fp16 or fp32 build")
    halves = {tensor.name: tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT16}
    casts = [node for node in model.graph.node if node.op_type == "Cast" and node.input[0] in halves]
    used = {name for node in model.graph.node if node not in casts for name in node.input}
    if inner := sorted(halves.keys() & used):
        raise Permanent(f"the graph computes in half precision ({inner[0]}); start from a single-precision export")
    renamed: dict[str, str] = {}
    for cast in casts:
        halves_array = numpy_helper.to_array(halves[cast.input[0]])
        renamed[cast.output[0]] = cast.input[0]
        halves[cast.input[0]].CopyFrom(numpy_helper.from_array(halves_array.astype(np.float32), cast.input[0]))
        model.graph.node.remove(cast)
    rename(model, renamed.get)
    return model


def narrowed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with its matrices kept in half precision, each cast where it is used."""
    casts = []
    renamed: dict[str, str] = {}
    for tensor in model.graph.initializer:
        count = int(np.prod(tensor.dims))
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2 or count < LEAST_KEPT:
            continue
        wide = numpy_helper.to_array(tensor)
        if (largest := float(np.abs(wide).max())) > np.finfo(np.float16).max:
            raise Permanent(f"{tensor.name}: {largest:g} is more than half precision holds")
        tensor.CopyFrom(numpy_helper.from_array(wide.astype(np.float16), tensor.name))
        renamed[tensor.name] = f"{tensor.name}.single"
        casts.append(helper.make_node("Cast", [tensor.name], [renamed[tensor.name]], to=TensorProto.FLOAT))
    rename(model, renamed.get)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def rename(model: onnx.ModelProto, new: Callable[[str], str | None]) -> None:
    """Give inputs of nodes the names that ``new`` has for them."""
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = new(name) or name
