"""Texts to probabilities of labels: any ONNX text classifier with its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from tokenizers import Tokenizer

from monitor.errors import Permanent
from monitor.inference.runtime import Provider, Session, open_session

GRAPH = "model.onnx"
TOKENIZER = "tokenizer.json"
CONFIG = "config.json"
MOST_TOKENS = 512


class Config(msgspec.Struct, frozen=True):
    """What we read of the ``config.json`` that Hugging Face's models carry."""

    id2label: dict[str, str]
    max_position_embeddings: int = MOST_TOKENS


@dataclass(slots=True, eq=False)
class Classifier:
    """A text classifier; safe to share among threads. A text is read in windows of as many tokens as it takes."""

    labels: tuple[str, ...]
    max_length: int
    _inputs: frozenset[str] = field(repr=False)
    _session: Session = field(repr=False)
    _tokenizer: Tokenizer = field(repr=False)

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1, provider: Provider = "cpu") -> Self:
        """The classifier of a folder with ``model.onnx``, ``tokenizer.json`` and ``config.json``, as exported.

        Raises:
            Permanent: A file is missing or wrong, or the graph has other outputs than the configuration has labels.
        """
        try:
            config = msgspec.json.decode((folder / CONFIG).read_bytes(), type=Config)
            tokenizer = Tokenizer.from_str((folder / TOKENIZER).read_text(encoding="utf-8"))
        except OSError as error:
            raise Permanent(f"classifier {folder}: no {Path(error.filename).name}: {error.strerror}") from error
        except Exception as error:  # tokenizers raises Exception itself
            raise Permanent(f"classifier {folder}: {error}") from error
        session = open_session(folder / GRAPH, threads=threads, provider=provider)
        labels = tuple(config.id2label[str(place)] for place in range(len(config.id2label)))
        if (got := session.get_outputs()[0].shape[-1]) != len(labels):
            raise Permanent(f"classifier {folder}: expected {len(labels)} outputs, one per label, got {got}")
        tokenizer.no_padding()
        length = min(config.max_position_embeddings, MOST_TOKENS)
        tokenizer.enable_truncation(length, stride=min(64, length // 4))
        return cls(labels, length, frozenset(node.name for node in session.get_inputs()), session, tokenizer)

    def probabilities(self, text: str) -> NDArray[np.float64]:
        """``(windows, labels)``: a long text has several windows that overlap."""
        first = self._tokenizer.encode(text.encode("utf-8", "replace").decode())
        rows = [self._logits(np.asarray(part.ids, np.int64)) for part in (first, *first.overflowing)]
        found: NDArray[np.float64] = softmax(np.array(rows, np.float64), axis=1)
        return found

    def probability(self, text: str, label: str) -> float:
        """The largest probability of a label in any window: one bad passage makes a text bad."""
        return float(self.probabilities(text)[:, self.labels.index(label)].max())

    def _logits(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        row = ids[None, :]
        feeds = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
        logits: NDArray[np.float32] = self._session.run(
            None, {name: value for name, value in feeds.items() if name in self._inputs}
        )[0][0]
        return logits
