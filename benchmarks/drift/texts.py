"""Real texts as laws of embeddings: drawn with replacement from a finite population, so that the null is exact.

Vectors are made once, by MiniLM, and kept under ``DRIFTWARDEN_CACHE`` (else in the folder for temporary files).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.special import ndtr

from benchmarks.drift.laws import VECTOR_CHANGES, Change, Directions, Kind, normalised, redirected
from benchmarks.drift.traffic import Labels, Latents
from monitor.inference.build import cached_minilm
from monitor.inference.encoder import Encoder

_CHUNK = 1_000


@dataclass(frozen=True, eq=False)
class Texts:
    """Embedded texts by topic, of which the last ``held_out`` topics are in no reference.

    Attributes:
        vectors: unit vectors, ordered by topic, ``(m, d)``.
        starts: first row of each topic, and ``m`` last, ``(topics + 1,)``.
    """

    name: str
    vectors: NDArray[np.float32]
    starts: Labels
    held_out: int
    kind: Kind = "vector"
    changes: tuple[Change, ...] = VECTOR_CHANGES

    @cached_property
    def directions(self) -> Directions:
        """Of the population without what is held out."""
        return Directions.of(self.vectors[: self.starts[-1 - self.held_out]])

    @cached_property
    def centres(self) -> NDArray[np.float32]:
        """Mean of each topic, ``(topics, d)``."""
        counts = np.diff(self.starts)[:, None]
        return np.add.reduceat(self.vectors, self.starts[:-1], axis=0) / counts.astype(np.float32)

    def draw(self, latents: Latents, random: np.random.Generator, change: Change | None) -> NDArray[np.float32]:
        """See ``Law``: the topic by its share of the texts, then any of its texts."""
        known = len(self.starts) - 1 - self.held_out
        edges = self.starts[1:known] / self.starts[known]
        topic = np.searchsorted(edges, ndtr(latents.topic), side="right")
        # What is held out is one novelty: its topics are drawn by their share of it.
        held = self.starts[known] + (random.random(len(topic)) * (self.starts[-1] - self.starts[known])).astype(int)
        novel = np.searchsorted(self.starts, held, side="right") - 1
        topic = redirected(topic, random, change, known=known // 2, novel=-1)
        topic = np.where(topic < 0, novel, topic)
        counts = np.diff(self.starts)[topic]
        rows = self.starts[topic] + (random.random(len(topic)) * counts).astype(np.int64)
        vectors = self.vectors[rows]
        if change and change.kind == "spread":
            centres = self.centres[topic]
            return normalised(centres + np.float32(change.size) * (vectors - centres), None)
        shift = self.directions.shift(change)
        return vectors if shift is None else normalised(vectors, shift)


def data_folder() -> Path:
    """Where the labelled data lies."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("DRIFTWARDEN_SHARED_DATA") or beside)


def real_laws(report: Callable[[str], None] = print) -> tuple[Texts, ...]:
    """The laws of real text; empty, with a word why, where the data is absent."""
    folder = data_folder()
    if not (folder / "ragtruth_qa").is_dir():
        report(f"no labelled data at {folder}: real text is left out (set DRIFTWARDEN_SHARED_DATA)")
        return ()
    return answers(folder, report), sources(folder, report)


def answers(folder: Path, report: Callable[[str], None]) -> Texts:
    """RAGTruth's answers in 20 topics by k-means, of which the two smallest are held out."""
    told = sorted({row["response"] for row in _lines(folder / "ragtruth_qa" / "response_qa_train.jsonl.gz")})
    vectors = embedded(told, report)
    _, topic = kmeans2(vectors.astype(np.float64), 20, minit="++", rng=np.random.default_rng(0), iter=30)
    size = np.bincount(topic, minlength=20)
    # A topic without a text is none.
    ordered = [vectors[topic == t] for t in np.argsort(-size, kind="stable") if size[t]]
    return _texts("RAGTruth answers", ordered, held_out=2)


def sources(folder: Path, report: Callable[[str], None]) -> Texts:
    """Texts of eight kinds from four sets, a topic each; sales e-mails are held out."""
    passages = [
        passage.partition(":")[2].strip()
        for row in _lines(folder / "ragtruth_qa" / "source_qa_train.jsonl.gz")
        for passage in row["source_info"]["passages"].split("\n\n")
    ]
    wice = [row for path in sorted((folder / "wice").glob("nonsupported*")) for row in _lines(path)]
    wice += _lines(folder / "wice" / "oracle_claim_dev.jsonl.gz")
    evidence = sorted({sentence for row in wice for sentence in row["evidence"] if 40 < len(sentence) < 400})
    nq = _json(folder / "sac3" / "nq_open_250_eval_labeled-SC.json.gz")
    kinds: list[Sequence[str]] = [
        [row["source_info"]["question"] for row in _lines(folder / "ragtruth_qa" / "source_qa_train.jsonl.gz")],
        passages,
        [question for row in nq for question in (row["question"], *row["question_perturb"])],
        [row["claim"] for row in wice],
        evidence[:: max(len(evidence) // 4_000, 1)],
        *(
            [row["summary"] for row in _json(folder / "summedits" / f"summedits_{domain}.json.gz")]
            for domain in ("news", "podcast", "qmsumm", "sales_email")
        ),
    ]
    distinct = [sorted({text for text in texts if text}) for texts in kinds]
    vectors = embedded([text for texts in distinct for text in texts], report)
    ends = np.cumsum([len(texts) for texts in distinct])
    return _texts("texts of many sources", np.split(vectors, ends[:-1]), held_out=1)


def embedded(texts: Sequence[str], report: Callable[[str], None]) -> NDArray[np.float32]:
    """Unit vectors of the texts ``(n, d)``, from the cache where these very texts were embedded before."""
    encoder = Encoder.load(cached_minilm())
    digest = hashlib.blake2b("\0".join((encoder.fingerprint, *texts)).encode("utf-8", "replace"), digest_size=12)
    cache = Path(os.environ.get("DRIFTWARDEN_CACHE") or Path(tempfile.gettempdir()) / "driftwarden-benchmarks")
    path = cache / f"vectors-{digest.hexdigest()}.npy"
    if path.exists():
        kept: NDArray[np.float32] = np.load(path)
        return kept
    parts = []
    for first in range(0, len(texts), _CHUNK):
        parts.append(encoder.encode(texts[first : first + _CHUNK]))
        report(f"embedded {min(first + _CHUNK, len(texts))} of {len(texts)} texts")
    vectors = np.concatenate(parts)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=cache, suffix=".npy", delete=False) as file:
        np.save(file, vectors)
    Path(file.name).replace(path)
    return vectors


def _texts(name: str, by_topic: Sequence[NDArray[np.float32]], *, held_out: int) -> Texts:
    starts = np.append(0, np.cumsum([len(part) for part in by_topic]))
    return Texts(name, np.concatenate(by_topic), starts, held_out)


def _lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _json(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = json.load(file)
        return rows
