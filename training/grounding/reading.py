"""Rows read against their contexts, each with a lexicon that has not seen its own source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.scores.labelled import Row
from detectors.evidence import Evidence, compare
from detectors.lexicon import Lexicon
from detectors.stems import WORD, Stems
from training.grounding import wordnet
from training.grounding.network import Example


class _Without(Mapping[str, int]):
    """Document counts less one document."""

    def __init__(self, counts: Mapping[str, int], document: frozenset[str]) -> None:
        self.counts = counts
        self.document = document

    def __getitem__(self, stem: str) -> int:
        return self.counts[stem] - (stem in self.document)

    def __iter__(self) -> Iterator[str]:
        return iter(self.counts)

    def __len__(self) -> int:
        return len(self.counts)


@dataclass(frozen=True, slots=True)
class Library:
    """The lexicon of a whole corpus, and what each of its sources gave to it."""

    lexicon: Lexicon
    sources: Mapping[str, frozenset[str]]

    def without(self, source: str) -> Lexicon:
        """The lexicon as it would be had the source never been read."""
        own = self.sources.get(source)
        if own is None:
            return self.lexicon
        whole = self.lexicon
        return Lexicon(_Without(whole.documents, own), whole.total - 1, whole.synonyms, whole.antonyms)


def library(rows: Sequence[Row], folder: Path) -> Library:
    """Document counts of the rows' sources, with WordNet's relations from its database files."""
    stems = Stems()
    sources: dict[str, frozenset[str]] = {}
    for row in rows:
        if row.source not in sources:
            texts = [*row.passages, row.question]
            sources[row.source] = frozenset(stems[word] for text in texts for word in WORD.findall(text))
    counts = Counter(stem for found in sources.values() for stem in found)
    synonyms, antonyms = wordnet.read(folder)
    return Library(Lexicon(dict(sorted(counts.items())), len(sources), synonyms, antonyms), sources)


def read(row: Row, known: Library) -> Evidence | None:
    """The answer compared with its context; None where either has no words."""
    return compare(row.answer, row.passages, row.question, known.without(row.source))


def example(row: Row, evidence: Evidence) -> Example:
    """The row as the head is trained on it."""
    whole = row.located or row.corpus != "wice"
    return Example(evidence, word_labels(row, evidence), row.bad, row.located, whole)


def word_labels(row: Row, evidence: Evidence) -> NDArray[np.int8]:
    """``(t,)`` 0 supported, 1 baseless, 2 in conflict."""
    spans = np.array(evidence.answer.spans)
    kinds = np.zeros(len(spans), np.int8)
    for label in sorted(row.labels, key=lambda label: label.kind):
        inside = (spans[:, 0] < label.end) & (spans[:, 1] > label.start)
        kinds[inside] = 2 if label.kind == "conflict" else 1
    return kinds
