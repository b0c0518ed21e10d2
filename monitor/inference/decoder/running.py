"""Runs of a session over tensors that stay on its device, and the small graphs that move them there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from monitor.inference.runtime import Provider, Session, open_session

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor where it lies: its device, its first byte and its shape."""

    device: str
    dtype: Any
    shape: tuple[int, ...]
    pointer: int


@dataclass(frozen=True, slots=True)
class Tensors:
    """What all tensors of a cache share: ``names`` are those of the inputs, ``presents`` of the outputs."""

    names: tuple[str, ...]
    presents: tuple[str, ...]
    heads: int
    size: int
    dtype: Any
    device: str

    def empty(self) -> Any:
        """A cache of one row without columns."""
        return reserved((1, self.heads, 0, self.size), self.dtype, self.device)


def reserved(shape: Sequence[int], dtype: Any, device: str) -> Any:
    """A tensor of zeros on the device."""
    from onnxruntime import OrtValue  # noqa: PLC0415 - after open_session, which checks what is installed

    return OrtValue.ortvalue_from_numpy(np.zeros(shape, dtype), device, 0)


def run(
    session: Session,
    feeds: Mapping[str, Array],
    inputs: Mapping[str, Any],
    *,
    read: Sequence[str],
    kept: Sequence[str] | Mapping[str, Place] = (),
    device: str = "cpu",
) -> tuple[list[Array], list[Any]]:
    """One run: the outputs of ``read`` as arrays, those of ``kept`` as tensors that stay on the device.

    Args:
        session: what runs.
        feeds: inputs that come from here.
        inputs: inputs that are on the device: tensors, or places.
        read: outputs that are wanted here.
        kept: outputs that stay; where they are given places, they are written there.
        device: where they stay.
    """
    binding = session.io_binding()
    for name, value in feeds.items():
        binding.bind_cpu_input(name, value)
    for name, tensor in inputs.items():
        if isinstance(tensor, Place):
            binding.bind_input(name, tensor.device, 0, tensor.dtype, tensor.shape, tensor.pointer)
        else:
            binding.bind_ortvalue_input(name, tensor)
    for name in read:
        binding.bind_output(name, "cpu")
    for name in kept:
        place = kept[name] if isinstance(kept, Mapping) else None
        if place is None:
            binding.bind_output(name, device)
        else:
            binding.bind_output(name, place.device, 0, place.dtype, place.shape, place.pointer)
    session.run_with_iobinding(binding)
    outputs = binding.get_outputs()
    return [outputs[i].numpy() for i in range(len(read))], outputs[len(read) :]


def weaver(tensors: Tensors, sources: int, provider: Provider) -> Session:
    """A session that makes a cache ``out (r, heads, columns, size)`` of columns of others.

    Its inputs are ``from.0`` to ``from.<sources - 1>``, caches of any rows and columns, and ``index (r, heads,
    columns)``: places in the list of all their vectors, one cache after the other, each in its own order.
    """
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(tensors.dtype))
    value = helper.make_tensor_value_info
    sizes = ["rows", tensors.heads, "columns", tensors.size]
    flat = numpy_helper.from_array(np.array([-1, tensors.size], np.int64), "flat")
    nodes = [helper.make_node("Reshape", [f"from.{i}", "flat"], [f"flat.{i}"]) for i in range(sources)]
    nodes.append(helper.make_node("Concat", [f"flat.{i}" for i in range(sources)], ["all"], axis=0))
    nodes.append(helper.make_node("Gather", ["all", "index"], ["out"], axis=0))
    inputs = [value(f"from.{i}", kind, [f"r{i}", tensors.heads, f"c{i}", tensors.size]) for i in range(sources)]
    inputs.append(value("index", TensorProto.INT64, ["rows", tensors.heads, "columns"]))
    graph = helper.make_graph(nodes, "weave", inputs, [value("out", kind, sizes)], [flat])
    return _small(graph, provider)


def copier(dtype: Any, provider: Provider) -> Session:
    """A session that copies ``from`` to ``to``, of any shape."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    ends = [helper.make_tensor_value_info(name, kind, ["a", "b", "c"]) for name in ("from", "to")]
    node = helper.make_node("Identity", ["from"], ["to"])
    return _small(helper.make_graph([node], "copy", ends[:1], ends[1:]), provider)


def _small(graph: Any, provider: Provider) -> Session:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return open_session(model.SerializeToString(), provider=provider)
