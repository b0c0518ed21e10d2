"""Each word of an answer as a row of comparisons with the context.

A small model can tell from a row whether the context holds the word *in this place*: a fact swapped for another of
the same passage is held as a word, and missing from the sentence that its own sentence is aligned with.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.alignment import Answer, Bools, Floats, align, read_answer, read_context
from detectors.facts import Columns, sentence_facts, word_facts
from detectors.lexicon import Lexicon
from detectors.score import Span
from detectors.sentence_evidence import citation_columns, evidence_columns, sentence_columns
from detectors.stems import WORD, Stems
from detectors.word_evidence import neighbourhood_columns, place_columns, slot_columns, word_columns

BUCKETS = 2048


@dataclass(frozen=True, slots=True)
class Evidence:
    """An answer of ``t`` words and ``s`` sentences, read against its context.

    Attributes:
        answer: its words and sentences.
        features: ``(t, k)``, named by ``names``.
        names: of the ``k`` comparisons.
        buckets: ``(t,)`` hash of each word in lower case, below ``BUCKETS``.
        best: per sentence, the passage's number and the offsets of the sentence there that holds most of it.
        novel: ``(t,)`` content words that neither a passage nor the question holds.
    """

    answer: Answer
    features: Floats
    names: tuple[str, ...]
    buckets: NDArray[np.int64]
    best: list[tuple[int, Span]]
    novel: Bools


def compare(
    answer: str, passages: Sequence[str], question: str, lexicon: Lexicon, *, stems: Stems | None = None
) -> Evidence | None:
    """None where the answer or the context has no words; ``stems`` are those met so far in a batch."""
    stems = Stems() if stems is None else stems
    ours, context = read_answer(answer, stems), read_context(passages, stems)
    if ours is None or context is None:
        return None
    alignment = align(ours, context)
    asked = {stems[word] for word in WORD.findall(question)}
    facts = word_facts(ours, alignment, asked, lexicon)
    sentences = sentence_facts(ours, context, alignment, facts)
    columns: Columns = {
        **word_columns(ours, context, facts),
        **neighbourhood_columns(ours, context, alignment, facts, lexicon),
        **slot_columns(ours, context, alignment, facts),
        **evidence_columns(ours, context, facts, sentences, lexicon),
        **sentence_columns(ours, context, alignment, (facts, sentences), passages),
        **citation_columns(ours, context, sentences, len(passages)),
        **place_columns(ours, context, sentences, (len(passages), len(asked))),
    }
    features = np.stack([np.asarray(column, np.float32) for column in columns.values()], 1)
    buckets = np.array([zlib.crc32(word.lower().encode("utf-8", "replace")) % BUCKETS for word in ours.words], np.int64)
    best = [context.sentences[at] for at in sentences.best]
    return Evidence(ours, features, tuple(columns), buckets, best, facts.novel)
