"""What a model folder says about itself, and whether it is true."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from monitor.errors import Permanent

GRAPH = "model.onnx"
ADAPTER = "model.onnx_adapter"
"""An adapter that stays beside the graph; the name begins with the graph's, so that the model's revision covers it."""
TOKENIZER = "tokenizer.json"
CARD = "model.json"


class ModelCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of `model.json`; `revision` is the sha256 of the weights the graph was built from."""

    name: str
    revision: str
    dimension: int
    max_length: int
    pooling: str
    normalized: bool
    precision: str
    builder: int
    """Version of the code that made the graph; another one builds again."""
    graph_sha256: str
    tokenizer_sha256: str

    def fingerprint(self, provider: str) -> str:
        """Sixteen hexadecimal digits; vectors of two fingerprints must not be compared."""
        parts = [self.revision, self.tokenizer_sha256, str(self.max_length), self.precision, provider]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def sha256(path: Path) -> str:
    """Digest of the file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_card(folder: Path, card: ModelCard) -> None:
    """Write `model.json`, indented for people."""
    (folder / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")


def read_card(folder: Path) -> ModelCard:
    """The folder's card, after the graph and the tokenizer were found to be those it names.

    Raises:
        Permanent: A file is missing, unreadable or not the one that the card names.
    """
    try:
        card = msgspec.json.decode((folder / CARD).read_bytes(), type=ModelCard)
        for name, expected in ((GRAPH, card.graph_sha256), (TOKENIZER, card.tokenizer_sha256)):
            if (got := sha256(folder / name)) != expected:
                raise Permanent(f"{folder / name}: expected sha256 {expected}, got {got}")
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}"
        raise Permanent(f"no model in {folder} ({reason}); `driftwarden models build` makes one") from error
    except msgspec.MsgspecError as error:
        raise Permanent(f"{folder / CARD}: {error}") from error
    return card
