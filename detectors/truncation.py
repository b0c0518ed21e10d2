"""Answers that stop before they are finished."""

from __future__ import annotations

import re
from collections.abc import Sequence

from detectors.score import Score, insufficient, ok
from detectors.sentences import split

# What a finished answer ends with: a stop, a closing mark, or the last line of a list, a table or code.
_FINISHED = re.compile(r"[.!?…。！？｡:;)\]}>\"'”’»」』】`*_|~€$%\d]\s*$")
_FENCE = re.compile(r"^[ \t]{0,3}(?:```|~~~)", re.MULTILINE)
_CUT = ("length", "content_filter", "error")
# A shorter answer without a stop is a name or a number, not half a sentence.
_SENTENCE = 80


def truncation(answers: Sequence[str], reasons: Sequence[str | None]) -> list[Score]:
    """1 if the answer was cut (``length``, ``content_filter``, ``error``), 0 if the model stopped by itself.

    Without a reason it is told from the text: 0.5 for code that is not closed, and for an answer of at least 80
    characters that ends within a sentence. The span is the last sentence.

    >>> score, = truncation(["It begins. Then it"], ["length"])
    >>> score.value, score.spans
    (1.0, ((11, 18),))
    """
    return [_truncation(answer, reason) for answer, reason in zip(answers, reasons, strict=True)]


def _truncation(answer: str, reason: str | None) -> Score:
    if reason in _CUT:
        return ok(1.0, tuple(split(answer)[-1:]))
    if reason is not None:
        return ok(0.0)
    if not answer.strip():
        return insufficient("no finish reason and an empty answer")
    open_code = "```" in answer and len(_FENCE.findall(answer)) % 2 == 1
    if open_code or (len(answer) >= _SENTENCE and not _FINISHED.search(answer, len(answer.rstrip()) - 1)):
        return ok(0.5, tuple(split(answer)[-1:]))
    return ok(0.0)
