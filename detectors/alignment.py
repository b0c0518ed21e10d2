"""An answer laid beside its context: which word stands where, and how long what was copied is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.cues import POINTER
from detectors.score import Span
from detectors.sentences import split
from detectors.stems import EMPTY, WORD, Stems

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Indices = NDArray[np.intp]

# Words that are read of each side: the table of matches is their product.
ANSWER_WORDS = 1_000
CONTEXT_WORDS = 4_000
# Matches within so many words of a place of the context are near it.
NEAR = 15


@dataclass(frozen=True, slots=True)
class Context:
    """The passages as one run of words; an empty word stands between two passages.

    Attributes:
        stems: ``n`` stems.
        exact: the words themselves, in lower case.
        starts: ``(s,)`` where each sentence begins.
        sentences: ``s`` pairs of the passage's number, from 0, and the sentence's offsets in it.
        passages: ``(p,)`` numbers of the passages that have words.
        firsts: ``(p,)`` the first sentence of each of those.
    """

    stems: list[str]
    exact: frozenset[str]
    starts: Indices
    sentences: list[tuple[int, Span]]
    passages: Indices
    firsts: Indices

    def sentence_stems(self, sentence: int) -> list[str]:
        """The stems of one sentence."""
        end = int(self.starts[sentence + 1]) if sentence + 1 < len(self.starts) else len(self.stems)
        return self.stems[int(self.starts[sentence]) : end]


@dataclass(frozen=True, slots=True)
class Answer:
    """The words of an answer.

    Attributes:
        text: the whole answer.
        words: ``t`` words as written.
        spans: their offsets.
        stems: their stems.
        sentences: offsets of the sentences that have words.
        sentence: ``(t,)`` the sentence each word is in.
        pointer: ``(t,)`` part of a reference to a passage or of a list's numbering: "(Passage 2)", "3.".
        content: ``(t,)`` neither grammar, nor talk about the answer, nor pointer.
    """

    text: str
    words: list[str]
    spans: list[Span]
    stems: list[str]
    sentences: list[Span]
    sentence: Indices
    pointer: Bools
    content: Bools

    def gap(self, word: int) -> str:
        """What stands between a word and the one before it."""
        return self.text[self.spans[word - 1][1] if word else 0 : self.spans[word][0]]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where the ``t`` words of the answer stand among the ``n`` of the context.

    Attributes:
        match: ``(t, n)`` same stem.
        run: ``(t,)`` words of the longest copied run that holds the word; 0 if no passage holds it.
        near: ``(t, n)`` the word stands within ``NEAR`` words of the place.
    """

    match: Bools
    run: NDArray[np.int16]
    near: Bools


def read_context(passages: Sequence[str], stems: Stems) -> Context | None:
    """None if no passage has a word; passages past ``CONTEXT_WORDS`` are not read."""
    read: list[str] = []
    exact: set[str] = set()
    starts: list[int] = []
    sentences: list[tuple[int, Span]] = []
    for number, passage in enumerate(passages):
        if len(read) >= CONTEXT_WORDS:
            break
        for span in split(passage):
            inside = WORD.findall(passage, *span)
            if inside and len(read) < CONTEXT_WORDS:
                starts.append(len(read))
                sentences.append((number, span))
                read.extend(stems[word] for word in inside)
                exact.update(word.lower() for word in inside)
        if read and read[-1]:
            read.append("")
    if not starts:
        return None
    numbers, firsts = np.unique([number for number, _ in sentences], return_index=True)
    return Context(read, frozenset(exact), np.array(starts), sentences, numbers, firsts)


def read_answer(text: str, stems: Stems) -> Answer | None:
    """None if the answer has no word; words past ``ANSWER_WORDS`` are not read."""
    found = list(WORD.finditer(text))[:ANSWER_WORDS]
    if not found:
        return None
    words = [match.group() for match in found]
    spans = [match.span() for match in found]
    read = [stems[word] for word in words]
    begins = np.array([span[0] for span in spans])
    pointer = np.zeros(len(spans), bool)
    for match in POINTER.finditer(text):
        pointer[np.searchsorted(begins, match.start()) : np.searchsorted(begins, match.end())] = True
    content = np.array([stem not in EMPTY for stem in read]) & ~pointer
    sentences = split(text)
    which = np.searchsorted([end for _, end in sentences], begins, side="right")
    used, sentence = np.unique(np.minimum(which, len(sentences) - 1), return_inverse=True)
    return Answer(text, words, spans, read, [sentences[at] for at in used], sentence, pointer, content)


def align(answer: Answer, context: Context) -> Alignment:
    """Every match of a stem, the runs they form, and what is near what."""
    numbers = {stem: number for number, stem in enumerate(dict.fromkeys(context.stems))}
    theirs = np.array([numbers[stem] for stem in context.stems])
    ours = np.array([numbers.get(stem, -1) for stem in answer.stems])
    match = ours[:, None] == theirs[None, :]
    places = np.arange(match.shape[1])
    # Matches among the first k words; a difference counts those of a window.
    upto = np.concatenate([np.zeros((len(ours), 1), np.int32), np.cumsum(match, 1, dtype=np.int32)], 1)
    low, high = np.maximum(places - NEAR, 0), np.minimum(places + NEAR + 1, len(places))
    return Alignment(match, _runs(match), upto[:, high] > upto[:, low])


def moved(match: Bools, by: int) -> Bools:
    """``(t, n)``: true where the word ``by`` places before matches the place ``by`` before (after, if negative)."""
    out = np.zeros_like(match)
    if 0 < by < min(match.shape):
        out[by:, by:] = match[:-by, :-by]
    elif 0 < -by < min(match.shape):
        out[:by, :by] = match[-by:, -by:]
    return out


def _runs(match: Bools) -> NDArray[np.int16]:
    """Length of the longest diagonal of matches through each row."""
    length = match.astype(np.int16)
    for row in range(1, len(length)):
        length[row, 1:] *= length[row - 1, :-1] + 1
    for row in range(len(length) - 2, -1, -1):
        np.maximum(length[row, :-1], length[row + 1, 1:] * match[row, :-1], out=length[row, :-1])
    return np.asarray(length.max(1), np.int16)
