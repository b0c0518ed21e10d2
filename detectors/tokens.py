"""Where in the answer its tokens and sentences stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

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
    spans = split(answer) if starts is not None else []
    if starts is None or not len(starts) or not spans:
        return None
    # The token that holds a sentence's first character; it may begin with the blank before.
    first = np.searchsorted(starts, np.array([start for start, _ in spans]), side="right") - 1
    first = np.maximum.accumulate(np.maximum(first, 0))
    first[0] = 0
    return Sentences(first, tuple(spans))


def offsets(answer: str, tokens: Sequence[str], byte_offsets: Sequence[int] = ()) -> Indices | None:
    """The character at which each token begins, ``(n,)``, not descending; None where that cannot be told.

    Told by ``byte_offsets`` into the UTF-8 of the answer where there are any, else by the tokens themselves, read as
    text, as SentencePiece's or as byte-level BPE's: what they spell must hold the answer. Tokens before and after it
    (markers of turns) stand at its ends.

    >>> offsets("à la", ["<s>", "▁à", "▁la", "</s>"]).tolist()
    [0, 0, 1, 4]
    >>> offsets("à la", ["Ãł", "Ġla"]).tolist()
    [0, 1]
    """
    whole = answer.encode("utf-8", "replace")
    if byte_offsets:
        places = np.array(byte_offsets, dtype=np.int64)
        if (np.diff(places) < 0).any() or places[0] < 0 or places[-1] > len(whole):
            return None
        return _characters(answer, whole, places)
    if not tokens or not whole:
        return None
    for read in (_plain, _sentencepiece, _byte_level):
        spelled = read(tokens)
        if spelled is None:
            continue
        at = b"".join(spelled).find(whole)
        if at >= 0:
            lengths = np.fromiter(map(len, spelled), np.int64, len(spelled))
            return _characters(answer, whole, np.clip(np.cumsum(lengths) - lengths - at, 0, len(whole)))
    return None


def _characters(answer: str, whole: bytes, places: NDArray[np.int64]) -> Indices:
    """Byte offsets as character offsets; one inside a character is that character's."""
    if len(whole) == len(answer):
        return places.astype(np.intp)
    begins = (np.frombuffer(whole, np.uint8) & 0xC0) != 0x80
    before = np.concatenate([[0], np.cumsum(begins)])
    inside = np.append(~begins, False)[places]
    found: Indices = (before[places] - inside).astype(np.intp)
    return found


def _plain(tokens: Sequence[str]) -> list[bytes] | None:
    return [token.encode("utf-8", "replace") for token in tokens]


def _sentencepiece(tokens: Sequence[str]) -> list[bytes] | None:
    if not any("▁" in token or token.startswith("<0x") for token in tokens):
        return None
    return [
        bytes([int(found[1], 16)])
        if (found := _BYTE_TOKEN.fullmatch(token))
        else token.replace("▁", " ").encode("utf-8", "replace")
        for token in tokens
    ]


def _byte_level(tokens: Sequence[str]) -> list[bytes] | None:
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
