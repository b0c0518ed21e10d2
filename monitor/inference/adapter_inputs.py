"""A low-rank adapter kept beside a graph, as inputs of their own instead of a change to its weights.

For a product ``y = xW`` that the adapter changes the graph computes ``y = xW + (xA)B``, where ``A (in, r)`` and
``B (r, out)`` are inputs. They have defaults of rank 0, so that the graph alone is the model without adapter; W may be
quantized, and A and B never are. The values are kept in ONNX Runtime's own format, which any program on it can load
(``onnxruntime.LoraAdapter``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from monitor.errors import Permanent
from monitor.inference.adapters import A, B, LowRank, products_of
from monitor.inference.card import ADAPTER
from monitor.inference.runtime import Node, Session

FILE = "model.onnx_adapter"
"""Beside ``model.onnx``, whose revision covers it: its name begins with the graph's."""
VERSION = 1
Array = NDArray[Any]


def opened(model: onnx.ModelProto, adapter: LowRank) -> onnx.ModelProto:
    """The graph with inputs for the adapter; without defaults yet, so that no quantizer takes them for weights.

    Raises:
        Permanent: The adapter is for a matrix that the graph lacks, or of another shape.
    """
    nodes = list(model.graph.node)
    for matrix, (product, _) in products_of(model, adapter).items():
        made = product.output[0]
        product.output[0] = f"{matrix}.unadapted"
        names = f"{matrix}{A}", f"{matrix}{B}"
        rank, wide, narrow = f"{matrix}.rank", *ends(adapter, matrix)
        for name, shape in zip(names, ([wide, rank], [rank, narrow]), strict=True):
            model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        place = next(i for i, node in enumerate(nodes) if node.output[0] == product.output[0]) + 1
        nodes[place:place] = [
            helper.make_node("MatMul", [product.input[0], names[0]], [f"{matrix}.xA"], f"{matrix}.xA"),
            helper.make_node("MatMul", [f"{matrix}.xA", names[1]], [f"{matrix}.xAB"], f"{matrix}.xAB"),
            helper.make_node("Add", [product.output[0], f"{matrix}.xAB"], [made], f"{matrix}.adapted"),
        ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def with_defaults(model: onnx.ModelProto, adapter: LowRank) -> onnx.ModelProto:
    """The opened graph, with adapters of rank 0 where none is given."""
    for matrix in adapter.factors:
        wide, narrow = ends(adapter, matrix)
        for name, shape in ((f"{matrix}{A}", (wide, 0)), (f"{matrix}{B}", (0, narrow))):
            model.graph.initializer.append(numpy_helper.from_array(np.zeros(shape, np.float32), name))
    return model


def ends(adapter: LowRank, matrix: str) -> tuple[int, int]:
    """How many numbers the matrix takes and gives."""
    factors = adapter.factors[matrix]
    return factors.a.shape[1], factors.b.shape[0]


def write_inputs(adapter: LowRank, path: Path) -> None:
    """The adapter as ONNX Runtime keeps it, its scale within B."""
    from onnxruntime import AdapterFormat, OrtValue  # noqa: PLC0415  slow to import

    values = {}
    for matrix, factors in sorted(adapter.factors.items()):
        values[f"{matrix}{A}"] = OrtValue.ortvalue_from_numpy(np.ascontiguousarray(factors.a.T))
        values[f"{matrix}{B}"] = OrtValue.ortvalue_from_numpy(np.ascontiguousarray(factors.b.T))
    made = AdapterFormat()
    made.set_adapter_version(VERSION)
    made.set_model_version(VERSION)
    made.set_parameters(values)
    made.export_adapter(str(path))


def read_inputs(path: Path) -> dict[str, Array]:
    """The adapter's arrays by the names of the inputs.

    Raises:
        Permanent: The file is no adapter of ONNX Runtime's.
    """
    from onnxruntime import AdapterFormat  # noqa: PLC0415  slow to import

    try:
        file = AdapterFormat.read_adapter(str(path))
        # The arrays are views of the file's memory, which goes with it.
        return {name: np.array(value.numpy()) for name, value in file.get_parameters().items()}
    except Exception as error:  # RuntimeError and what the binding makes of others
        raise Permanent(f"{path}: not an adapter of ONNX Runtime: {str(error)[-200:]}") from error


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """A session whose runs are all given the same adapter; ``values`` lie on the session's device."""

    session: Session
    values: Mapping[str, Any]

    def run(self, outputs: Sequence[str] | None, feeds: Mapping[str, Array]) -> list[Array]:
        return self.session.run(outputs, {**{name: value.numpy() for name, value in self.values.items()}, **feeds})

    def get_providers(self) -> list[str]:
        return self.session.get_providers()

    def get_inputs(self) -> list[Node]:
        return self.session.get_inputs()

    def get_overridable_initializers(self) -> list[Node]:
        return self.session.get_overridable_initializers()

    def get_outputs(self) -> list[Node]:
        return self.session.get_outputs()

    def io_binding(self) -> Any:
        binding = self.session.io_binding()
        for name, value in self.values.items():
            binding.bind_ortvalue_input(name, value)
        return binding

    def run_with_iobinding(self, binding: Any) -> None:
        self.session.run_with_iobinding(binding)


def adapted(session: Session, folder: Path, device: str) -> Session:
    """The session with the folder's adapter, or as it is where the graph takes none.

    Raises:
        Permanent: The adapter is missing, or not one for this graph.
    """
    wanted = {node.name: node.shape for node in session.get_overridable_initializers() if node.name.endswith((A, B))}
    path = folder / ADAPTER
    if not wanted and not path.is_file():
        return session
    if not path.is_file():
        raise Permanent(f"no adapter at {path}, which the graph takes as inputs")
    from onnxruntime import OrtValue  # noqa: PLC0415  slow to import

    values = read_inputs(path)
    if odd := sorted(wanted.keys() ^ values.keys()):
        raise Permanent(f"{path}: {odd[0]} is in {'the graph' if odd[0] in wanted else 'the adapter'} alone")
    for name, value in values.items():
        fixed = [(want, got) for want, got in zip(wanted[name], value.shape, strict=False) if isinstance(want, int)]
        if value.ndim != 2 or any(want != got for want, got in fixed):
            raise Permanent(f"{path}: {name}: expected shape {tuple(wanted[name])}, got {value.shape}")
    return Adapted(session, {name: OrtValue.ortvalue_from_numpy(each, device, 0) for name, each in values.items()})
