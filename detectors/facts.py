"""Facts of the words and sentences of an answer that several comparisons with its context share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.alignment import Alignment, Answer, Bools, Context, Floats, Indices
from detectors.lexicon import Lexicon

# What a word that is no content counts in the coverage of a sentence.
_FAINT = 0.05
# Between sentences that hold as much, the shorter is the evidence.
_PER_WORD = 1e-4

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class WordFacts:
    """Facts of the ``t`` words that all groups of columns share."""

    held: Bools
    asked: Bools
    novel: Bools
    digit: Bools
    capital: Bools
    rarity: Floats
    weight: Floats


@dataclass(frozen=True, slots=True)
class SentenceFacts:
    """The ``s`` sentences of the answer against the ``c`` of the context, one after another and in threes.

    Attributes:
        member: ``(s, t)`` 1 where the word is in the sentence.
        holds: ``(t, c)`` the context's sentence holds the word; ``holds_3`` it or a neighbour in its passage.
        coverage: ``(s, c)`` share of the sentence's weight that is held; ``coverage_3`` likewise.
        by_passage: ``(s, p)`` the same for whole passages.
        held: ``(s,)`` the same for the whole context.
        best: ``(s,)`` the context's sentence that holds most.
    """

    member: Floats
    holds: Bools
    holds_3: Bools
    coverage: Floats
    coverage_3: Floats
    by_passage: Floats
    held: Floats
    best: Indices

    def count(self, mask: NDArray[Any]) -> Floats:
        """How many words of each sentence the mask holds, ``(s,)``."""
        return np.asarray(self.member @ mask.astype(np.float32), np.float32)


def word_facts(answer: Answer, alignment: Alignment, asked: set[str], lexicon: Lexicon) -> WordFacts:
    held: Bools = np.asarray(alignment.match.any(1))
    in_question = np.array([stem in asked for stem in answer.stems])
    opens = np.array([not at or any(mark in '.!?:\n*•"“' for mark in answer.gap(at)) for at in range(len(held))])
    capital = np.array([word[0].isupper() and word not in {"I", "i"} for word in answer.words]) & ~opens
    rarity = np.array([lexicon.rarity(stem) for stem in answer.stems], np.float32)
    return WordFacts(
        held=held,
        asked=in_question,
        novel=answer.content & ~held & ~in_question,
        digit=np.array([word[0].isdigit() for word in answer.words]),
        capital=capital,
        rarity=rarity,
        weight=rarity * answer.content,
    )


def sentence_facts(answer: Answer, context: Context, alignment: Alignment, facts: WordFacts) -> SentenceFacts:
    member = (answer.sentence[None, :] == np.arange(len(answer.sentences))[:, None]).astype(np.float32)
    holds = np.maximum.reduceat(alignment.match, context.starts, axis=1)
    passage = np.array([number for number, _ in context.sentences])
    same = passage[1:] == passage[:-1]
    holds_3 = holds.copy()
    holds_3[:, 1:] |= holds[:, :-1] & same
    holds_3[:, :-1] |= holds[:, 1:] & same
    by_passage = np.maximum.reduceat(holds, context.firsts, axis=1)
    weights = member * (facts.weight + _FAINT * facts.rarity * ~answer.pointer)
    total = weights.sum(1) + np.float32(1e-3)
    coverage = (weights @ holds.astype(np.float32)) / total[:, None]
    sizes = np.diff(np.append(context.starts, len(context.stems)))
    return SentenceFacts(
        member=member,
        holds=holds,
        holds_3=holds_3,
        coverage=coverage,
        coverage_3=(weights @ holds_3.astype(np.float32)) / total[:, None],
        by_passage=(weights @ by_passage.astype(np.float32)) / total[:, None],
        held=(weights @ facts.held.astype(np.float32)) / total,
        best=(coverage - _PER_WORD * sizes).argmax(1),
    )


def side_by_side(match: Bools) -> Bools:
    """``(t - 1,)``: the word and the next stand side by side in the context."""
    return np.asarray((match[:-1, :-1] & match[1:, 1:]).any(1))


def related(stems: Sequence[str], table: Mapping[str, frozenset[str]], among: Sequence[Collection[str]]) -> Bools:
    """Whether each word has a related one among the stems given for it."""
    empty = frozenset[str]()
    found = [table.get(stem, empty) for stem in stems]
    return np.array([bool(kin) and not kin.isdisjoint(there) for kin, there in zip(found, among, strict=True)])
