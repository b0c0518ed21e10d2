"""Where in the answer its tokens and sentences stand."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from detectors.score import Span
from detectors.sentences import split

Indices = NDArray[np.intp]

_BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")


@dataclass(frozen=True, slots=True, eq=False)
class Sentences:
    """The sentences of an answer as stretches of its tokens.

    Attributes:
        first: index of the first token of each, ``(s,)``, ascending, the first of them 0.
        spans: character offsets of each in the answer.
    """

    first: Indices
    spans: tuple[Span, ...]


def sentences(answer: str, tokens: Sequence[str], byte_offsets: Sequence[int] = ()) -> Sentences | None:
    """The sentences with their tokens; None where the tokens cannot be laid onto the answer, or it has no sentence.

    >>> found = sentences("It is. Is it?", ["It", " is", ".", " Is", " it", "?"])
    >>> found.first.tolist(), found.spans
    ([0, 3], ((0, 6), (7, 13)))
    """
    starts = offsets(answer, tokens, byte_offsets)
    spans = split(answer) if starts else []
    if starts is None or not spans:
        return None
    # The token that holds a sentence's first character; it may begin with the blank before.
    first = [0, *(max(bisect_right(starts, start) - 1, 0) for start, _ in spans[1:])]
    return Sentences(np.array(first, np.intp), tuple(spans))


def offsets(answer: str, tokens: Sequence[str], byte_offsets: Sequence[int] = ()) -> list[int] | None:
    """The character at which each token begins, not descending; None where that cannot be told.

    Told by ``byte_offsets`` into the UTF-8 of the answer where there are any, else by the tokens themselves, read as
    text, as SentencePiece's or as byte-level BPE's: what they spell must hold the answer. Tokens before and after it
    (markers of turns) stand at its ends.

    >>> offsets("à la", ["<s>", "▁à", "▁la", "</s>"])
    [0, 0, 1, 4]
    >>> offsets("à la", ["Ãł", "Ġla"])
    [0, 1]
    """
    if byte_offsets:
        return _characters(answer, byte_offsets)
    if not tokens or not answer:
        return None
    at = "".join(tokens).find(answer)
    if at >= 0:
        return _starts(tokens, at, len(answer))
    whole = answer.encode("utf-8", "replace")
    for read in _READINGS:
        spelled = read(tokens)
        at = b"".join(spelled).find(whole)
        if at >= 0:
            return _characters(answer, _starts(spelled, at, len(whole)))
    return None


def _starts(pieces: Iterable[str | bytes], at: int, length: int) -> list[int]:
    """Where each piece begins in a text of this length that begins ``at`` into what they spell."""
    starts = list(accumulate(map(len, pieces), initial=-at))
    starts.pop()
    if at or starts[-1] > length:
        starts = [min(max(start, 0), length) for start in starts]
    return starts


def _characters(answer: str, places: Sequence[int]) -> list[int] | None:
    """Byte offsets as character offsets; one inside a character is that character's. None unless they ascend within."""
    length = len(answer) if answer.isascii() else len(answer.encode("utf-8", "replace"))
    if places[0] < 0 or places[-1] > length or any(first > second for first, second in pairwise(places)):
        return None
    if length == len(answer):
        return list(places)
    ends = list(accumulate(len(letter.encode("utf-8", "replace")) for letter in answer))
    return [bisect_right(ends, place) for place in places]


def _sentencepiece(tokens: Sequence[str]) -> list[bytes]:
    return [
        bytes([int(found[1], 16)])
        if (found := _BYTE_TOKEN.fullmatch(token))
        else token.replace("▁", " ").encode("utf-8", "replace")
        for token in tokens
    ]


def _byte_level(tokens: Sequence[str]) -> list[bytes]:
    return [
        bytes(map(_BYTES.__getitem__, token)) if _BYTES.keys() >= set(token) else token.encode("utf-8", "replace")
        for token in tokens
    ]


def _byte_letters() -> dict[str, int]:
    """The letter that stands for each byte in byte-level BPE: printable Latin-1 for itself, the rest from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(rest)}


_BYTES = _byte_letters()
_READINGS: tuple[Callable[[Sequence[str]], list[bytes]], ...] = (_sentencepiece, _byte_level)
