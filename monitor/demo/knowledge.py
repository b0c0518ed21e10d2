"""The help pages of an invented product, and the questions people ask about it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

import numpy as np

SLOTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "device": (
            "laptop", "phone", "tablet", "desktop computer", "work laptop", "new phone", "old tablet", "mini PC",
            "second computer", "daughter's laptop", "company phone", "media computer",
        ),
        "plan": ("Sprig", "Bough", "Canopy", "Bough household", "Canopy household"),
        "country": (
            "Norway", "Spain", "Chile", "Japan", "Ireland", "Kenya", "Poland", "Brazil", "Austria", "New Zealand",
            "Greece", "Vietnam",
        ),
        "month": (
            "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
            "November", "December",
        ),
        "file": (
            "holiday photos", "tax papers", "wedding videos", "school reports", "scans", "music recordings", "drawings",
            "spreadsheets", "letters", "baby pictures", "manuscripts", "floor plans",
        ),
        "number": ("3", "5", "8", "12", "14", "20", "25", "40", "60", "75", "120", "150", "200"),
        "network": ("home Wi-Fi", "mobile data", "the office network", "hotel Wi-Fi", "fibre", "a satellite line"),
        "relative": ("wife", "husband", "mother", "father", "son", "daughter", "brother", "aunt", "flatmate"),
    }
)  # fmt: skip
OPENERS = (
    "", "", "", "", "Hi! ", "Hello, ", "Good morning. ", "Hey there, quick question: ", "Sorry to bother you. ",
    "I'm new to Orrelbox. ", "I've been a customer for years. ", "This is urgent. ",
    "My colleague told me to ask you. ",
    "I searched the help pages and found nothing. ", "Second try: ", "I am setting things up for my parents. ",
)  # fmt: skip
CLOSERS = (
    "", "", "", "", " Thanks!", " Thank you very much.", " Please keep it short.", " I'm in a hurry.",
    " I'm not very good with computers.", " Greetings from the seaside.", " It started yesterday evening.",
    " I already restarted everything.", " Please explain step by step.", " I need it for work tomorrow.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Passage:
    """A help page; ``points`` are its sentences, one fact each."""

    id: str
    topic: str
    title: str
    points: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"{self.title}. {' '.join(self.points)}"


@dataclass(frozen=True, slots=True)
class Template:
    """A question with slots; ``passage`` and ``point`` say where its answer stands, None where nowhere does."""

    text: str
    topic: str
    passage: int | None
    point: int = 0


@dataclass(frozen=True, slots=True)
class Knowledge:
    passages: tuple[Passage, ...]
    answered: tuple[Template, ...]
    unanswered: tuple[Template, ...]


def knowledge() -> Knowledge:
    """The pages and questions of ``knowledge.toml``."""
    read = tomllib.loads(files("monitor.demo").joinpath("knowledge.toml").read_text("utf-8"))
    passages = tuple(
        Passage(each["id"], each["topic"], each["title"], tuple(point["says"] for point in each["point"]))
        for each in read["passage"]
    )
    answered = tuple(
        Template(text, each["topic"], i, j)
        for i, each in enumerate(read["passage"])
        for j, point in enumerate(each["point"])
        for text in point["asked"]
    )
    unanswered = tuple(Template(text, each["topic"], None) for each in read["unanswered"] for text in each["asked"])
    return Knowledge(passages, answered, unanswered)


def pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def worded(rng: np.random.Generator, template: Template) -> str:
    """The question as one person types it."""
    question = template.text.format_map({name: pick(rng, options) for name, options in SLOTS.items()})
    text = pick(rng, OPENERS) + question + pick(rng, CLOSERS)
    return text.lower().replace("?", "") if rng.random() < 0.12 else text
