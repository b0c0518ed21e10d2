"""The groundedness model as a file: JSON, weights as base64 of little-endian floats, checked by its sha256."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.groundedness import Model
from detectors.head import Head, check
from detectors.lexicon import Lexicon
from monitor.errors import Permanent

FORMAT = 1
FILE = "grounding.json"
DIGEST = "grounding.json.sha256"
_DTYPES = {"f2": "<f2", "f4": "<f4"}


class Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An array: ``data`` is base64 of its little-endian floats, row by row."""

    dtype: str
    shape: tuple[int, ...]
    data: str


class HeadFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `detectors.head.Head`."""

    mean: Tensor
    scale: Tensor
    weights: dict[str, Tensor]


class LexiconFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `detectors.lexicon.Lexicon`; related stems are separated by blanks."""

    documents: dict[str, int]
    total: int
    synonyms: dict[str, str]
    antonyms: dict[str, str]


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; ``trained`` says on what, how and how well, and is not read by the program."""

    format: int
    names: tuple[str, ...]
    slope: float
    intercept: float
    prior: float
    word_threshold: float
    heads: tuple[HeadFile, ...]
    lexicon: LexiconFile
    trained: dict[str, Any]


def shipped_grounding() -> Model:
    """The model that comes with this package."""
    folder = resources.files("monitor.inference") / "models"
    expected = (folder / DIGEST).read_text().split()[0]
    return decode((folder / FILE).read_bytes(), FILE, expected)


def load_grounding(path: Path) -> Model:
    """A model that the training scripts wrote; a digest beside it is checked.

    Raises:
        Permanent: No such file, another one than the digest says, or none that this program can run.
    """
    try:
        body = path.read_bytes()
        digest = path.with_name(path.name + ".sha256")
        expected = digest.read_text().split()[0] if digest.exists() else None
    except OSError as error:
        raise Permanent(f"cannot read {error.filename}: {error.strerror}") from error
    return decode(body, str(path), expected)


def decode(body: bytes, name: str, expected: str | None = None) -> Model:
    """The model of a file's bytes."""
    got = hashlib.sha256(body).hexdigest()
    if expected is not None and got != expected:
        raise Permanent(f"{name}: expected sha256 {expected}, got {got}")
    try:
        found = msgspec.json.decode(body, type=ModelFile)
    except msgspec.MsgspecError as error:
        raise Permanent(f"{name} is no groundedness model: {error}") from error
    if found.format != FORMAT:
        raise Permanent(f"{name}: expected format {FORMAT}, got {found.format}")
    try:
        heads = tuple(_head(head, len(found.names)) for head in found.heads)
    except (KeyError, ValueError) as error:
        raise Permanent(f"{name}: {error}") from error
    words = found.lexicon
    return Model(
        lexicon=Lexicon(words.documents, words.total, _related(words.synonyms), _related(words.antonyms)),
        names=found.names,
        heads=heads,
        slope=found.slope,
        intercept=found.intercept,
        prior=found.prior,
        word_threshold=found.word_threshold,
    )


def encode(model: Model, trained: dict[str, Any]) -> bytes:
    """The bytes of a file that `decode` reads; weights are rounded to half precision."""
    words = model.lexicon
    return msgspec.json.encode(
        ModelFile(
            format=FORMAT,
            names=model.names,
            slope=model.slope,
            intercept=model.intercept,
            prior=model.prior,
            word_threshold=model.word_threshold,
            heads=tuple(
                HeadFile(
                    pack(head.mean, "f4"),
                    pack(head.scale, "f4"),
                    {name: pack(value, "f2") for name, value in head.weights.items()},
                )
                for head in model.heads
            ),
            lexicon=LexiconFile(
                dict(words.documents),
                words.total,
                {stem: " ".join(sorted(kin)) for stem, kin in words.synonyms.items()},
                {stem: " ".join(sorted(kin)) for stem, kin in words.antonyms.items()},
            ),
            trained=trained,
        )
    )


def pack(values: NDArray[Any], dtype: str) -> Tensor:
    """An array as a tensor of the file."""
    return Tensor(dtype, values.shape, base64.b64encode(values.astype(_DTYPES[dtype]).tobytes()).decode())


def _unpack(tensor: Tensor) -> NDArray[np.float32]:
    raw = np.frombuffer(base64.b64decode(tensor.data, validate=True), _DTYPES[tensor.dtype])
    return raw.reshape(tensor.shape).astype(np.float32)


def _head(file: HeadFile, features: int) -> Head:
    weights = {name: _unpack(tensor) for name, tensor in file.weights.items()}
    mean, scale = _unpack(file.mean), _unpack(file.scale)
    if mean.shape != (features,) or scale.shape != (features,):
        raise ValueError(f"mean and scale: expected {features} numbers, got {mean.shape} and {scale.shape}")
    check(weights, features)
    return Head(mean, scale, weights)


def _related(table: dict[str, str]) -> dict[str, frozenset[str]]:
    return {stem: frozenset(kin.split()) for stem, kin in table.items()}
