"""What language a text is in, and whether the answer is in that of the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_letters

import numpy as np
from numpy.typing import NDArray

from detectors.score import Score, insufficient, ok
from monitor.scoring.identifying import CANDIDATES, identify

# Of fewer letters nothing is told; more than this many characters tell no more.
FEWEST_LETTERS = 20
READ_CHARACTERS = 200
CLEAR = 0.8
ASCII_LETTERS = ascii_letters.encode()

SHORT = insufficient("too few letters to tell the language")
UNCLEAR = insufficient("the language of the prompt is not clear")


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """The likeliest language of a text, and the probability of each candidate."""

    best: str
    shares: NDArray[np.float64]

    def share(self, language: str) -> float:
        return float(self.shares[PLACES[language]])

    @property
    def clear(self) -> bool:
        return self.share(self.best) >= CLEAR


PLACES = {language: place for place, language in enumerate(CANDIDATES)}


def languages(texts: Sequence[str]) -> list[Guess | None]:
    """A guess for each text; None for too few letters."""
    heads = [text[:READ_CHARACTERS] for text in texts]
    distinct = [head for head in dict.fromkeys(heads) if enough(head)]
    shares = identify(distinct).round(6) if distinct else np.empty((0, len(CANDIDATES)))
    guesses = map(Guess, [CANDIDATES[place] for place in shares.argmax(axis=1)], shares)
    known = dict(zip(distinct, guesses, strict=True))
    return [known.get(head) for head in heads]


def enough(head: str) -> bool:
    """Whether there are letters enough; a script with more letters than ASCII says more with each."""
    if head.isascii():
        return len(head) - len(head.encode().translate(None, ASCII_LETTERS)) >= FEWEST_LETTERS
    return sum(map(str.isalpha, head)) >= FEWEST_LETTERS // 2


def labels(guesses: Sequence[Guess | None]) -> list[str | None]:
    """The language of each text where it is clear."""
    return [guess.best if guess is not None and guess.clear else None for guess in guesses]


def language_scores(prompts: Sequence[Guess | None], answers: Sequence[Guess | None]) -> list[Score]:
    """1 − the probability that the answer is in the language of the prompt, where that one is clear."""
    return [score(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]


def score(prompt: Guess | None, answer: Guess | None) -> Score:
    if prompt is None or answer is None:
        return SHORT
    if not prompt.clear:
        return UNCLEAR
    return ok(min(1.0, max(0.0, 1 - answer.share(prompt.best))))
