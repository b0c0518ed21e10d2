"""Answers that decline to answer, and answers that hedge."""

import re
from collections.abc import Sequence

from detectors import words
from detectors.score import Score, insufficient, ok
from detectors.sentences import split

_HEAD = 240
_SHORT = 400
# An exclamation ("Great question!") is no answer yet; an item of a list is.
_SENTENCE_END = re.compile(r"\.(?=\s)|。|\n[ \t]{0,8}[-*•\d]")
_REFUSAL = re.compile("|".join(f"(?:{cue})" for cue in words.REFUSALS))
_TURN = re.compile("|".join(words.TURNS))
# Opening with the character before the word, not with \b, lets the search skip ahead: twice as fast.
_HEDGE = re.compile(r"[ \n\t\"'“‘«(*_/—-](?:" + "|".join(words.HEDGES) + r")\b")


def abstention(texts: Sequence[str]) -> list[Score]:
    """1 if the answer only declines, 0.5 if it declines and goes on, 0 if it answers.

    It declines if a refusal ("I don't know", "unable to answer") begins in its first sentence and its first 240
    characters; later ones only qualify what was answered. It goes on if it is longer than 400 characters, or if a turn
    ("however", "but") follows the refusal. The span is the cue.

    >>> [score.value for score in abstention(["I don't know.", "I'm not sure, but it is 7.", "It is 7."])]
    [1.0, 0.5, 0.0]
    """
    return [_abstention(text) for text in texts]


def hedging(texts: Sequence[str]) -> list[Score]:
    """Hedges ("may", "perhaps", "I think") per sentence, at most 1. The spans are the hedges.

    >>> [score.value for score in hedging(["It may rain. It will snow.", "It rains."])]
    [0.5, 0.0]
    """
    return [_hedging(text) for text in texts]


def _abstention(text: str) -> Score:
    if not text.strip():
        return insufficient("empty answer")
    head = _fold(text[: _SHORT + 1])
    end = _SENTENCE_END.search(head)
    found = _REFUSAL.search(head, 0, min(_HEAD, end.start() if end else _HEAD))
    if found is None:
        return ok(0.0)
    goes_on = len(text) > _SHORT or _TURN.search(head, found.end()) is not None
    return ok(0.5 if goes_on else 1.0, (found.span(),))


def _hedging(text: str) -> Score:
    if not text.strip():
        return insufficient("empty answer")
    # The space in front makes an offset of the match that of its cue in the text.
    spans = tuple((found.start(), found.end() - 1) for found in _HEDGE.finditer(" " + _fold(text)))
    if not spans:
        return ok(0.0)
    return ok(min(1.0, len(spans) / len(split(text))), spans)


def _fold(text: str) -> str:
    """The text in lower case with straight apostrophes, every character at its old offset."""
    folded = text.lower().replace("’", "'")
    if len(folded) != len(text):  # a few letters grow, such as İ
        folded = "".join(low if len(low := letter.lower()) == 1 else letter for letter in text).replace("’", "'")
    return folded
