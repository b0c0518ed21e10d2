"""How a build of the demo's assistant answers, well or badly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from monitor.demo.knowledge import Passage, pick

Outcome = Literal["grounded", "unknown", "refused", "invented"]
Manner = Literal["copied", "said", "invented", "repeated"]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How often a build does what, as probabilities per answer, and how sure and fast it is.

    The defaults are those of a healthy build; ``DAMAGED`` is one that lost too much in quantization.
    """

    refusal: float = 0.02
    """Refuses although a passage has the answer."""
    invention: float = 0.03
    """Adds one to three sentences with numbers and names that no passage has."""
    honesty: float = 0.95
    """Says that it does not know where no passage has the answer; else it makes one up."""
    hedging: float = 0.08
    """Begins with a hedge, such as "I'm not entirely sure"."""
    ramble: float = 0.02
    """Repeats itself."""
    repeats: float = 4.0
    """Mean number of repeated sentences when it does."""
    surprisal: float = 1.0
    """Factor on the surprisal of every token."""
    token_s: float = 0.011
    """Seconds per output token."""


HEALTHY = Behaviour()
DAMAGED = Behaviour(
    refusal=0.12, invention=0.30, honesty=0.55, hedging=0.25, ramble=0.30, repeats=5.0, surprisal=1.6, token_s=0.017
)  # fmt: skip

LEADS = (
    "", "", "", "Sure. ", "Happy to help. ", "Thanks for asking. ", "Here is what the help page says: ",
    "Let me look that up. ", "Of course. ", "In short: ", "Good question. ", "I found it: ",
)  # fmt: skip
CLOSINGS = (
    "", "", "", "", " Is there anything else?", " I hope that helps.", " Let me know if it does not work.",
    " You find it on the help page too.", " Just write again if anything is unclear.",
)  # fmt: skip
HEDGES = (
    "I'm not entirely sure, but I think this is it: ", "It might be that this answers it: ", "Perhaps this helps: ",
    "I believe, though I may be wrong: ", "As far as I can tell: ", "Possibly the following applies: ",
)  # fmt: skip
UNKNOWN = (
    "I don't know: the help pages I have don't say.", "I'm sorry, I couldn't find that in the help pages.",
    "The pages I can see do not answer this, so I don't know.", "I don't have information about that.",
    "That is not covered by our help pages, and I don't want to guess.",
)  # fmt: skip
REFUSALS = (
    "I'm sorry, but I can't help with that.", "I am unable to answer this question.",
    "I can't assist with this request.",
    "Unfortunately I'm not able to help with that.", "I cannot answer questions about this topic.",
)  # fmt: skip
INVENTED = (
    "This also holds for the {name} add-on, which costs {n}.{m} a month.",
    "Since version {n}.{m} the limit is {n}{m} GB.",
    "You have to enable {name} mode under Settings, {name}, first.", "Our office in {name} answers within {n} hours.",
    "It is part of the {name} programme that began in 19{m}.", "Call {m}-{n}{m}-{m}{n} and ask for {name}.",
    "The {name} certificate must be renewed every {n} weeks.", "A fee of {m}.{n} applies to customers of {name} Bank.",
    "Engineer {name} confirmed that {m} percent of accounts are affected.",
)  # fmt: skip
REPEATS = ("In other words, ", "As I said, ", "To repeat, ", "Again, ", "That is to say, ", "Once more: ")
SYLLABLES = ("bra", "quin", "tel", "mor", "vex", "lud", "sar", "kip", "dor", "zan", "fel", "gri", "hol", "pav")


@dataclass(frozen=True, slots=True)
class Piece:
    """Words of an answer and where they come from, which sets how surprising they are."""

    text: str
    manner: Manner


@dataclass(frozen=True, slots=True)
class Answer:
    pieces: tuple[Piece, ...]
    outcome: Outcome
    rambled: bool

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


def answer(rng: np.random.Generator, passage: Passage | None, point: int, behaviour: Behaviour) -> Answer:
    """An answer from the passage that holds it, or to a question that no passage answers."""
    if passage is None and rng.random() < behaviour.honesty:
        return Answer((Piece(pick(rng, UNKNOWN), "said"),), "unknown", rambled=False)
    if passage is not None and rng.random() < behaviour.refusal:
        return Answer((Piece(pick(rng, REFUSALS), "said"),), "refused", rambled=False)
    hedged = rng.random() < behaviour.hedging
    pieces = [Piece(pick(rng, HEDGES if hedged else LEADS), "said")]
    made_up = passage is None or rng.random() < behaviour.invention
    if passage is not None:
        pieces.append(Piece(passage.points[point], "copied"))
        if rng.random() < 0.35:
            pieces.append(Piece(f" {passage.points[(point + 1) % len(passage.points)]}", "copied"))
    if made_up:
        count = int(rng.integers(1, 4))
        pieces += [Piece(f" {invented(rng)}", "invented") for _ in range(count)]
    pieces.append(Piece(pick(rng, CLOSINGS), "said"))
    rambled = bool(rng.random() < behaviour.ramble)
    if rambled:
        pieces += rambling(rng, pieces, behaviour)
    kept = tuple(piece for piece in pieces if piece.text)
    return Answer(kept, "invented" if made_up else "grounded", rambled)


def invented(rng: np.random.Generator) -> str:
    """A sentence with a name and numbers that are in no passage."""
    name = "".join(pick(rng, SYLLABLES) for _ in range(3)).capitalize()
    return pick(rng, INVENTED).format(name=name, n=int(rng.integers(2, 10)), m=int(rng.integers(11, 99)))


def rambling(rng: np.random.Generator, pieces: Sequence[Piece], behaviour: Behaviour) -> list[Piece]:
    """Sentences said before, said again."""
    said = [piece.text.strip() for piece in pieces if piece.manner in ("copied", "invented")]
    again = [said[int(rng.integers(len(said)))] for _ in range(1 + int(rng.poisson(behaviour.repeats - 1)))]
    return [Piece(f" {pick(rng, REPEATS)}{text[:1].lower()}{text[1:]}", "repeated") for text in again]
