"""Tensors of a safetensors file, mapped from disk.

Format: eight bytes with the header's length, a JSON header, then the tensors
(https://github.com/huggingface/safetensors#format).
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.errors import Permanent

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1"}


class _Tensor(msgspec.Struct, frozen=True):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Every tensor by name, as a read-only view of the file: nothing is copied before it is used."""
    mapped = np.memmap(path, np.uint8, "r")
    length = int.from_bytes(mapped[:8].tobytes(), "little")
    start = 8 + length
    if len(mapped) < start:
        raise Permanent(f"{path}: expected a header of {length} bytes, the file has {len(mapped)}")
    try:
        header = msgspec.json.decode(mapped[8:start].tobytes(), type=dict[str, msgspec.Raw])
        header.pop("__metadata__", None)
        tensors = {name: msgspec.json.decode(raw, type=_Tensor) for name, raw in header.items()}
    except msgspec.MsgspecError as error:
        raise Permanent(f"{path}: the header is not that of safetensors: {error}") from error
    return {name: _view(mapped[start:], tensor, f"{path}: {name}") for name, tensor in tensors.items()}


def _view(body: NDArray[np.uint8], tensor: _Tensor, what: str) -> NDArray[Any]:
    if tensor.dtype not in _DTYPES:
        raise Permanent(f"{what}: type {tensor.dtype} is not one of {', '.join(_DTYPES)}")
    dtype = np.dtype(_DTYPES[tensor.dtype])
    first, last = tensor.data_offsets
    expected = prod(tensor.shape) * dtype.itemsize
    if last - first != expected or last > len(body):
        raise Permanent(f"{what}: expected {expected} bytes, got {min(last, len(body)) - first}")
    return np.ndarray(tensor.shape, dtype, buffer=body.data, offset=first)
