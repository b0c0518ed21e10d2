"""Stacks, references and memories as bytes, and back: the same value always gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec
import numpy as np

from detectors.category import CategoryMap
from detectors.forms import Cumulants
from detectors.reference import Reference
from detectors.relation import RelationMap
from detectors.scalar import ScalarMap
from detectors.sequential import Memory
from detectors.stack import Stack
from detectors.vector import EmbeddingMap

_VERSION = b"\x02"
_TYPES = {
    "category": CategoryMap,
    "cumulants": Cumulants,
    "embedding": EmbeddingMap,
    "memory": Memory,
    "reference": Reference,
    "relation": RelationMap,
    "scalar": ScalarMap,
}
_DTYPES = {"<f4", "<f8", "<i8"}


def encode_stack(stack: Stack) -> bytes:
    """The feature maps with their names, in order."""
    return _encode([[name, _pack(feature_map)] for name, feature_map in stack.maps.items()])


def decode_stack(encoded: bytes) -> Stack:
    """The stack that was encoded."""
    return Stack({name: _unpack(packed) for name, packed in _decode(encoded)})


def encode_references(references: Mapping[str, Reference]) -> bytes:
    """References by name."""
    return _encode([[name, _pack(references[name])] for name in sorted(references)])


def decode_references(encoded: bytes) -> dict[str, Reference]:
    """The references that were encoded."""
    return {name: _unpack(packed) for name, packed in _decode(encoded)}


def encode_memories(memories: Mapping[str, Memory]) -> bytes:
    """Memories by name."""
    return _encode([[name, _pack(memories[name])] for name in sorted(memories)])


def decode_memories(encoded: bytes) -> dict[str, Memory]:
    """The memories that were encoded."""
    return {name: _unpack(packed) for name, packed in _decode(encoded)}


def _encode(packed: object) -> bytes:
    return _VERSION + msgspec.msgpack.encode(packed)


def _decode(encoded: bytes) -> list[tuple[str, Any]]:
    if encoded[:1] != _VERSION:
        raise ValueError(f"expected wire version {_VERSION[0]}, got {encoded[:1].hex() or 'nothing'}")
    return msgspec.msgpack.decode(encoded[1:], type=list[tuple[str, Any]])


def _pack(value: Any) -> Any:
    """Arrays as [dtype, shape, bytes], our types as a name and their fields."""
    if isinstance(value, np.ndarray):
        kind = value.dtype.newbyteorder("<").str
        if kind not in _DTYPES:
            raise TypeError(f"expected an array of {sorted(_DTYPES)}, got {kind}")
        return {"dtype": kind, "shape": list(value.shape), "bytes": value.astype(kind).tobytes()}
    if is_dataclass(value):
        name = next(name for name, known in _TYPES.items() if isinstance(value, known))
        return {"type": name, "fields": {field.name: _pack(getattr(value, field.name)) for field in fields(value)}}
    return value


def _unpack(packed: Any) -> Any:
    """What ``_pack`` was given."""
    match packed:
        case {"dtype": kind, "shape": shape, "bytes": raw}:
            if kind not in _DTYPES:
                raise ValueError(f"expected an array of {sorted(_DTYPES)}, got {kind}")
            return np.frombuffer(raw, dtype=kind).reshape(shape).copy()
        case {"type": name, "fields": values}:
            return _TYPES[name](**{field: _unpack(value) for field, value in values.items()})
        case list():
            return tuple(packed)
        case _:
            return packed
