"""The help pages of products that differ from the demo's in every name, number and label.

The sentences are those of ``monitor/demo/knowledge.toml``; what they say is drawn anew for each product. The demo's own
values are no more likely than others, so an answer can only be right where it was read from the passage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from monitor.demo.knowledge import Knowledge, Passage
from training.assistant.names import LABELS, NUMBER_WORDS, PLACES, Namer, choose, code, made_up, number_like

PRODUCT = "Orrelbox"
STEM = "orrel"  # begins the names of files
PLANS = ("Sprig", "Bough", "Canopy")
LANDS = ("Europe", "Finland", "Portugal", "Canada")
LABELLED = re.compile(
    r"\b(Billing|History|Devices|Downloads|Export|Folders|Household|Network|Privacy|Security|Statistics|Upload share|"
    r"Vault|Versions|Conflicts|Contribute|Revoke|Change card|Rebuild previews|Request|Shift)\b"
)
CODE = re.compile(r"\b[Oo][Bb]-\d+")
NUMBER = re.compile(r"(?<![\w-])\d+(?:[.,]\d+)*(?![\w-])")
NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(NUMBER_WORDS)})\b")


@dataclass(frozen=True, slots=True)
class Product:
    """Its pages, and how a question about the demo's product is asked about it."""

    pages: tuple[Passage, ...]
    names: Mapping[str, str]

    def asked(self, question: str) -> str:
        """The question with this product's names; one that was typed in small letters stays so."""
        return renamed(question, self.names)


def product(rng: np.random.Generator, pages: Knowledge, name: Namer = made_up) -> Product:
    """A product with names, numbers and labels of its own."""
    names = {old: name(rng) for old in (PRODUCT, *PLANS)}
    names |= {old: choose(rng, PLACES) for old in LANDS}
    names[STEM] = name(rng).lower()
    shown = " ".join(point for page in pages.passages for point in page.points)
    names |= {old: code(rng) for old in sorted(set(CODE.findall(shown)))}
    for old in sorted(set(LABELLED.findall(shown))):
        if rng.random() < 0.6:
            names[old] = choose(rng, LABELS) if rng.random() < 0.7 else name(rng)
    return Product(tuple(redrawn(rng, page, names) for page in pages.passages), names)


def redrawn(rng: np.random.Generator, page: Passage, names: Mapping[str, str]) -> Passage:
    """The page of another product: names as given, numbers drawn."""
    points = tuple(renamed(renumbered(rng, point), names) for point in page.points)
    title = renamed(NUMBER.sub(lambda found: number_like(rng, found[0]), page.title), names)
    return Passage(page.id, page.topic, title, points)


def renumbered(rng: np.random.Generator, sentence: str) -> str:
    digits = NUMBER.sub(lambda found: number_like(rng, found[0]), sentence)
    return NUMBER_WORD.sub(lambda found: choose(rng, NUMBER_WORDS) if rng.random() < 0.7 else found[0], digits)


def renamed(text: str, names: Mapping[str, str]) -> str:
    """The text with each name replaced, in small letters where the text has it so; unknown codes stay."""
    if not names:
        return text
    table = dict(names)
    for old in (PRODUCT, *PLANS, *(name for name in names if CODE.fullmatch(name))):
        if old in names:
            table[old.lower()] = names[old].lower()
    whole = "|".join(re.escape(old) for old in sorted(table, key=len, reverse=True) if old != STEM)
    return re.sub(rf"\b(?:(?:{whole})\b|{STEM}(?!box))", lambda found: table[found[0]], text)
