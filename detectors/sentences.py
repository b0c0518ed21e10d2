"""Sentences as character offsets: split once, and let every score speak of the same spans."""

import re

from detectors.score import Span
from detectors.words import ABBREVIATIONS

# One class in front lets the search skip ahead; what may follow a stop is bounded, so the search is linear.
_BREAK = re.compile(r"""[.!?…。！？｡\n\r\u2028\u2029](?:(?<![\n\r\u2028\u2029])[.!?…。！？｡"'”’»)\]*_」』）]{1,8})?""")
_LOOKBACK = 16
_LINE_ENDS = "\n\r\u2028\u2029"
_WIDE_STOPS = "。！？｡"


def split(text: str) -> list[Span]:
    r"""Spans of the sentences: in order, disjoint, and together they hold every non-space character.

    A new line ends a sentence unless the next line goes on in lower case. A list marker belongs to its item.

    >>> text = "Dr. Roe paid 3.5 dollars. Why?\n1. Nobody knows."
    >>> [text[start:end] for start, end in split(text)]
    ['Dr. Roe paid 3.5 dollars.', 'Why?', '1. Nobody knows.']
    """
    spans: list[Span] = []
    start = 0
    for found in _BREAK.finditer(text):
        cut = found.end()
        if _ends_sentence(text, start, found):
            _append(spans, text, start, cut)
            start = cut
    _append(spans, text, start, len(text))
    return spans


def _append(spans: list[Span], text: str, start: int, end: int) -> None:
    sentence = text[start:end]
    trimmed = sentence.strip()
    if trimmed:
        lead = len(sentence) - len(sentence.lstrip())
        spans.append((start + lead, start + lead + len(trimmed)))


def _ends_sentence(text: str, start: int, found: re.Match[str]) -> bool:
    marks, end = found.group(), found.end()
    if marks[0] in _LINE_ENDS:
        return not text[end : end + 1].islower()
    if marks[0] in _WIDE_STOPS:
        return True
    if not text[end : end + 1].isspace():  # a decimal, an address; CJK stops alone need no space after them
        return False
    if marks[0] == "…" or marks[:3] == "...":  # an ellipsis ends a sentence only before a capital
        return not text[end + 1 : end + 2].islower()
    if marks[0] != ".":
        return True
    tail = text[max(start, found.start() - _LOOKBACK) : found.start()]
    goes_on = text[end + 1 : end + 2].islower()
    return not (_abbreviates(tail) or (goes_on and "." in tail[-4:]))  # "5 p.m. today"


def _abbreviates(tail: str) -> bool:
    """The full stop after this tail belongs to an abbreviation, an initial or the marker of a list item.

    The tail is bounded, so that a long text costs linear time.
    """
    words = tail.split()
    if not words:
        return False
    word = words[-1].lstrip("([\"'“‘«*")
    if word.lower() in ABBREVIATIONS:
        return True
    if len(word) == 1 and word.isalpha():
        return len(words) == 1 or (word.isupper() and word != "I")
    return len(words) == 1 and len(tail) < _LOOKBACK and word.isdigit()
