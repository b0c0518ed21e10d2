"""Words and numbers that no one has seen before."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

Namer = Callable[[np.random.Generator], str]

ONSETS = ("b", "br", "c", "d", "dr", "f", "g", "h", "k", "l", "m", "n", "p", "qu", "r", "s", "t", "tr", "v", "w", "z")
VOWELS = ("a", "e", "i", "o", "u", "ai", "ea")
CODAS = ("", "", "l", "n", "r", "s", "t", "m", "x", "nd", "rt", "ble", "or", "um", "el")
NUMBER_WORDS = (
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "fifteen",
    "twenty", "thirty",
)  # fmt: skip
LABELS = (
    "General", "Account", "Storage", "Tools", "Advanced", "Profile", "Members", "Library", "Display", "Updates",
    "Backup", "Links", "Reports", "Options", "Sharing", "Sessions", "Payments", "Groups", "Archive", "Messages",
    "Rules", "Filters", "Location", "Calendar", "Start", "Apply", "Remove", "Repair", "Confirm", "Review",
    "Restore",
)  # fmt: skip
PLACES = (
    "Norway", "Spain", "Chile", "Japan", "Ireland", "Kenya", "Poland", "Brazil", "Austria", "Greece", "Vietnam",
    "Sweden", "Iceland", "Peru", "Ghana", "Malta", "Estonia", "Jordan", "Cuba", "Laos", "Nepal", "Oman", "Fiji",
)  # fmt: skip

WORDS = (
    "Maple", "Willow", "Acorn", "Twig", "Petal", "Thicket", "Cloud", "Orchard", "Ivy", "Juniper", "Oak", "Elm", "Ash",
    "Grove", "Sapling", "Leaf", "Trough", "Dough", "Plough", "Brook", "Meadow", "Atlas", "Echo", "Jigsaw", "Umbrella",
    "Indigo", "Onyx", "Yarrow", "Entropy", "Philosophy", "Twelvefold", "Span", "Spruce", "Sprint", "Cannon", "Canoe",
    "Basic", "Plus", "Premium", "Family", "Studio", "Starter", "Gold", "Silver", "Essential", "Ultra",
)  # fmt: skip
HEADS = (
    "Or", "Ar", "Err", "Ol", "Un", "In", "Ex", "Arrow", "Barrel", "Sorrel", "Quarrel", "Apple", "Open", "Under", "Over",
    "Ever", "Jot", "Yonder", "Umber", "Eagle", "Inkwell", "Otter", "Amber", "Iron", "Orbit", "Carrel", "Laurel",
    "Tidal", "Xen", "Jelly", "Ember", "Ocean", "Orrin", "Err", "Oval",
)  # fmt: skip
TAILS = (
    "box", "drive", "desk", "vault", "stone", "wood", "field", "light", "note", "mark", "bird", "works", "loop", "ough",
    "opy", "ig", "base", "sync", "store", "bin", "nest", "port", "dock", "shelf", "rel", "well", "fly", "hub",
)  # fmt: skip


def choose(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def made_up(rng: np.random.Generator) -> str:
    """A name of two or three syllables, with a capital."""
    open_syllables = "".join(choose(rng, ONSETS) + choose(rng, VOWELS) for _ in range(1 if rng.random() < 0.7 else 2))
    return (open_syllables + choose(rng, ONSETS) + choose(rng, VOWELS) + choose(rng, CODAS)).capitalize()


def composed(rng: np.random.Generator) -> str:
    """A name of other letters: made up, a word, or two halves of words as companies have it."""
    kind = rng.random()
    if kind < 0.4:
        return made_up(rng)
    if kind < 0.6:
        return choose(rng, WORDS)
    return choose(rng, HEADS) + choose(rng, TAILS)


def code(rng: np.random.Generator) -> str:
    """An error code such as ``KT-307``."""
    letters = "".join(chr(65 + int(i)) for i in rng.integers(26, size=2))
    return f"{letters}-{rng.integers(100, 1000)}"


def number_like(rng: np.random.Generator, number: str) -> str:
    """Another number, written as this one is: as many digits, the same separators.

    >>> number_like(np.random.default_rng(1), "4.50")
    '5.56'
    """
    digits = [str(rng.integers(10)) for _ in number]
    digits[0] = str(rng.integers(1, 10))
    if re.fullmatch(r"\d{2}", number) and rng.random() < 0.25:  # else a length would always have two digits
        return str(rng.integers(2, 400))
    return "".join(new if old.isdigit() else old for old, new in zip(number, digits, strict=True))
