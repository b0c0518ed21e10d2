"""What language a text is in, and whether the answer is in that of the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from detectors.score import Score, insufficient, ok

# Of fewer letters nothing is told; more than this many characters tell no more.
FEWEST_LETTERS = 20
READ_CHARACTERS = 200
CLEAR = 0.8
# Words that only English has. Where they are many, no model is asked: it costs ten times as much.
ENGLISH = frozenset(
    {"the", "and", "of", "is", "that", "it", "with", "are", "this", "you", "which", "what", "how", "by", "from", "have",
     "does", "can", "their", "its"}
)  # fmt: skip
ENGLISH_SHARE = 0.15
# The languages most written on the web; with all 140 of the model, close kin are confused.
CANDIDATES = [
    "af", "ar", "az", "be", "bg", "bn", "bs", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he",
    "hi", "hr", "hu", "hy", "id", "it", "ja", "ka", "kk", "ko", "lt", "lv", "mk", "ms", "nl", "no", "pl", "pt", "ro",
    "ru", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "zh",
]  # fmt: skip

SHORT = insufficient("too few letters to tell the language")
UNCLEAR = insufficient("the language of the prompt is not clear")


@dataclass(frozen=True, slots=True)
class Guess:
    """Probability of each candidate."""

    shares: dict[str, float]

    @property
    def best(self) -> str:
        return max(self.shares, key=self.shares.__getitem__)


def languages(texts: Sequence[str]) -> list[Guess | None]:
    """A guess for each text; None for too few letters."""
    return [guess(text[: 2 * READ_CHARACTERS]) for text in texts]


def labels(guesses: Sequence[Guess | None]) -> list[str | None]:
    """The language of each text where it is clear."""
    return [each.best if each is not None and each.shares[each.best] >= CLEAR else None for each in guesses]


def language_scores(prompts: Sequence[Guess | None], answers: Sequence[Guess | None]) -> list[Score]:
    """1 − the probability that the answer is in the language of the prompt, where that one is clear."""
    return [score(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]


def score(prompt: Guess | None, answer: Guess | None) -> Score:
    if prompt is None or answer is None:
        return SHORT
    asked = prompt.best
    if prompt.shares[asked] < CLEAR:
        return UNCLEAR
    return ok(min(1.0, max(0.0, 1 - answer.shares.get(asked, 0.0))))


@lru_cache(maxsize=8192)
def guess(head: str) -> Guess | None:
    """The language of the beginning of a text; remembered, since prompts and answers come again."""
    words = head.lower().split()
    if sum(map(ENGLISH.__contains__, words)) >= max(3.0, ENGLISH_SHARE * len(words)):
        return PLAIN_ENGLISH
    head = head[:READ_CHARACTERS]
    if sum(map(str.isalpha, head)) < FEWEST_LETTERS // (1 if head.isascii() else 2):
        return None
    return Guess({language: round(share, 6) for language, share in identifier().rank(head)})


PLAIN_ENGLISH = Guess({"en": 1.0})


@lru_cache(maxsize=1)
def identifier() -> Any:
    """The model of py3langid, read once when the first text needs it (half a second)."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - costs half a second

    found = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    found.set_languages(CANDIDATES)
    return found
