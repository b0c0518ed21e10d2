"""Low-rank adapters (LoRA, arXiv 2106.09685), added to the matrices they were trained for.

W' = W + (α/r)·B·A, with A ``(r, in)`` and B ``(out, r)`` named as PEFT names them: ``NAME.lora_A.weight`` and
``NAME.lora_B.weight`` for the matrix that the graph calls ``NAME.weight``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from monitor.errors import Permanent
from monitor.inference.card import sha256
from monitor.inference.safetensors import read_safetensors

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
PREFIX = "base_model.model."
A, B = ".lora_A.weight", ".lora_B.weight"
Array = NDArray[Any]


class Config(msgspec.Struct, frozen=True):
    """What we read of PEFT's ``adapter_config.json``."""

    lora_alpha: float
    r: int


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """``a (r, in)`` and ``b (out, r)``, which holds the scale ``alpha / r``."""

    a: Array
    b: Array

    @property
    def product(self) -> Array:
        """``(out, in)``: what is added to the matrix."""
        made: Array = self.b @ self.a
        return made


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """An adapter: its factors by the name of the matrix they change."""

    name: str
    sha256: str
    factors: Mapping[str, Factors]


def read_adapter(path: Path) -> LowRank:
    """An adapter: PEFT's folder, or a ``.npz`` with the same names and a number ``alpha``.

    Raises:
        Permanent: A file is missing, unreadable or holds no adapter.
    """
    file = path / WEIGHTS if path.is_dir() else path
    if not file.is_file():
        raise Permanent(f"no adapter at {file}")
    tensors, alpha = from_npz(file) if file.suffix == ".npz" else from_peft(file)
    named = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
    matrices = sorted(name.removesuffix(A) for name in named if name.endswith(A))
    if not matrices:
        raise Permanent(f"{file}: expected tensors named …{A} and …{B}, got {', '.join(sorted(tensors)[:3]) or 'none'}")
    if strange := sorted(named.keys() - {matrix + part for matrix in matrices for part in (A, B)}):
        raise Permanent(f"{file}: {strange[0]} is no part of a low-rank adapter")
    factors = {matrix: scaled(named, matrix, alpha, file) for matrix in matrices}
    return LowRank(path.stem if path.is_file() else path.name, sha256(file), factors)


def scaled(named: Mapping[str, Array], matrix: str, alpha: float | None, file: Path) -> Factors:
    a, b = named[matrix + A], named.get(matrix + B)
    if b is None:
        raise Permanent(f"{file}: {matrix}{A} is there, {matrix}{B} is not")
    a, b = a.astype(np.float32), b.astype(np.float32)
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]:
        raise Permanent(f"{file}: {matrix}: expected shapes (r, in) and (out, r), got {a.shape} and {b.shape}")
    made = Factors(a, b if alpha is None else np.float32(alpha / a.shape[0]) * b)
    if not np.isfinite(made.product).all():
        raise Permanent(f"{file}: {matrix}: not all numbers are finite")
    return made


def from_peft(file: Path) -> tuple[dict[str, Array], float]:
    path = file.with_name(CONFIG)
    try:
        config = msgspec.json.decode(path.read_bytes(), type=Config)
    except OSError as error:
        raise Permanent(f"no {CONFIG} beside {file}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise Permanent(f"{path}: {error}") from error
    return read_safetensors(file), config.lora_alpha


def from_npz(file: Path) -> tuple[dict[str, Array], float | None]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            tensors = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise Permanent(f"{file}: not an archive of arrays: {error}") from error
    alpha = tensors.pop("alpha", None)
    return tensors, None if alpha is None else float(alpha)


def merged(model: onnx.ModelProto, adapter: LowRank) -> onnx.ModelProto:
    """The graph with the adapter's changes added to its single-precision weights.

    Raises:
        Permanent: The adapter is for a matrix that the graph lacks, or of another shape.
    """
    for matrix, (product, weight) in products_of(model, adapter).items():
        added = adapter.factors[matrix].product
        old = numpy_helper.to_array(weight)
        new = old + (added if stands_upright(product) else added.T)
        weight.CopyFrom(numpy_helper.from_array(new.astype(old.dtype), weight.name))
    return model


def products_of(model: onnx.ModelProto, adapter: LowRank) -> dict[str, tuple[onnx.NodeProto, onnx.TensorProto]]:
    """The product with each matrix that the adapter changes, and its weights.

    Raises:
        Permanent: The graph lacks one, or it is of another shape.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    products = {node.input[1]: node for node in model.graph.node if node.op_type in {"MatMul", "Gemm"}}
    found = {}
    for matrix, factors in adapter.factors.items():
        name = f"{matrix}.weight"
        if name not in weights or name not in products:
            known = ", ".join(sorted(each for each in products if each in weights)[:3])
            raise Permanent(f"adapter {adapter.name}: the model has no product with {name}; it has {known}, …")
        shape = factors.b.shape[0], factors.a.shape[1]
        given = shape if stands_upright(products[name]) else shape[::-1]
        if given != (expected := tuple(weights[name].dims)):
            raise Permanent(f"adapter {adapter.name}: {name}: expected shape {expected}, got {given}")
        found[matrix] = products[name], weights[name]
    return found


def stands_upright(product: onnx.NodeProto) -> bool:
    """Whether the product's matrix is kept as ``(out, in)``."""
    return any(attribute.name == "transB" and attribute.i for attribute in product.attribute)
