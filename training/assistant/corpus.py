"""Exchanges of an assistant: a question, the pages that were found for it, and the answer read from them.

Every exchange is drawn from its own stream of a seed: the same arguments give the same text, in any order.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Literal

import numpy as np

from monitor.demo.answers import UNKNOWN
from monitor.demo.knowledge import CLOSERS, OPENERS, Knowledge, Passage, Template, knowledge, pick, worded
from training.assistant.facts import Asked, facts
from training.assistant.names import Namer, composed, made_up
from training.assistant.products import Product, product

SPLITS = {"train": 0, "held-out": 1}
Split = Literal["train", "held-out"]

I_DO_NOT_KNOW = UNKNOWN[0]
UNANSWERABLE = 0.28
"""Share of exchanges whose pages lack the answer."""
FACTS = 0.35
"""Share of exchanges about things with made-up names."""
SHARED = 16
LOOSELY_FROM = 32_768
"""Exchanges of the training split from here on may be asked loosely."""
COMPOSED_FROM = 87_040
"""Exchanges of the training split from here on have names of more kinds."""
FRAMES = (
    "{}?",
    "{}",
    "What about {}?",
    "Tell me about {}.",
    "Is it true that {}?",
    "How is it with {}?",
    "I ask about {}.",
)
SYSTEMS = (
    "You answer questions from the help pages given, and say so when they do not hold the answer.",
    "You are a helpful assistant.",
)


@dataclass(frozen=True, slots=True)
class Exchange:
    question: str
    passages: tuple[str, ...]
    answer: str
    answerable: bool
    system: str | None = None
    aim: str = ""
    """The sentence that was asked for, whether or not a passage has it; empty where no page ever had it."""


def exchanges(split: Split, seed: int, count: int, *, first: int = 0) -> Iterator[Exchange]:
    """``count`` exchanges of a split, from the ``first`` on."""
    for i in range(first, first + count):
        rng = np.random.default_rng([SPLITS[split], seed, i])
        # A product costs more to draw than an exchange about it: some follow one another.
        name = composed if split == "train" and i >= COMPOSED_FROM else made_up
        about_facts = rng.random() < FACTS
        drew = on_facts(rng, name) if about_facts else on_product(rng, drawn(split, seed, i // SHARED, name))
        yield loosely(rng, drew) if split == "train" and i >= LOOSELY_FROM else drew


def orrelbox(seed: int, count: int) -> Iterator[Exchange]:
    """Exchanges about the demo's own pages, whose values no other corpus holds."""
    own = Product(pages().passages, {})
    for i in range(count):
        yield on_product(np.random.default_rng([2, seed, i]), own)


@lru_cache(maxsize=2)
def drawn(split: Split, seed: int, number: int, name: Namer = made_up) -> Product:
    return product(np.random.default_rng([SPLITS[split], seed, number, 1]), pages(), name)


def on_product(rng: np.random.Generator, about: Product) -> Exchange:
    """An exchange about a product's help pages."""
    known = pages()
    answerable = rng.random() >= UNANSWERABLE
    nowhere = not answerable and rng.random() < 0.3
    options = known.unanswered if nowhere else known.answered
    template = options[int(rng.integers(len(options)))]
    others = distractors(rng, known, template)
    found = [about.pages[i].text for i in others]
    answer = I_DO_NOT_KNOW
    aim = ""
    if template.passage is not None:
        page = about.pages[template.passage]
        aim = page.points[template.point]
        if answerable:
            answer = page.points[template.point]
            found[-1:] = [page.text if rng.random() < 0.9 else without(page, 1 - template.point)]
        elif rng.random() < 0.35:  # the page is there, the sentence is not
            found[-1:] = [without(page, template.point)]
    return Exchange(
        about.asked(worded(rng, template)),
        tuple(found[i] for i in rng.permutation(len(found))),
        answer,
        answerable,
        system(rng),
        aim,
    )


def on_facts(rng: np.random.Generator, name: Namer = made_up) -> Exchange:
    """An exchange about things with made-up names."""
    found = [facts(rng, name) for _ in range(int(rng.integers(1, 4)))]
    aim = found[0]
    point = int(rng.integers(len(aim.page.points)))
    question = pick(rng, aim.questions[point])
    answerable = rng.random() >= UNANSWERABLE
    answer = aim.page.points[point] if answerable else I_DO_NOT_KNOW
    if not answerable:
        question, found = unanswerable(rng, question, found, name)
    shown = [found[i].page.text for i in rng.permutation(len(found))]
    text = pick(rng, OPENERS) + question + pick(rng, CLOSERS) if rng.random() < 0.5 else question
    text = text.replace("Orrelbox", "this")
    typed = text.lower() if rng.random() < 0.1 else text
    return Exchange(typed, tuple(shown), answer, answerable, system(rng), answer if answerable else "")


def loosely(rng: np.random.Generator, row: Exchange) -> Exchange:
    """Now and then the question as a few words of the sentence that answers it, or with words left out."""
    kind = rng.random()
    if kind < 0.22 and row.aim:
        content = [word for word in re.findall(r"[\w.-]*\w", row.aim) if len(word) > 3]
        kept = sorted(rng.permutation(len(content))[: int(rng.integers(3, 7))].tolist())
        words = " ".join(content[i] for i in kept)
        return replace(row, question=pick(rng, FRAMES).format(words if rng.random() < 0.5 else words.lower()))
    if kind < 0.40:
        words = row.question.split(" ")
        left = [word for word in words if rng.random() > 0.15]
        return replace(row, question=" ".join(left) if len(left) > 3 else row.question)
    return row


def unanswerable(rng: np.random.Generator, question: str, found: list[Asked], name: Namer) -> tuple[str, list[Asked]]:
    """The same question where its page is away, or one that the page does not answer."""
    if rng.random() < 0.5:
        return pick(rng, found[0].beyond), found
    return question, [facts(rng, name), *found[1:]]


def distractors(rng: np.random.Generator, known: Knowledge, template: Template) -> list[int]:
    """One to three other pages, most of them of the question's topic."""
    near = [i for i, page in enumerate(known.passages) if page.topic == template.topic and i != template.passage]
    count = 3 if rng.random() < 0.6 else int(rng.integers(1, 4))
    chosen: list[int] = []
    while len(chosen) < count:
        one = near[int(rng.integers(len(near)))] if rng.random() < 0.7 else int(rng.integers(len(known.passages)))
        if one != template.passage and one not in chosen:
            chosen.append(one)
    return chosen


def without(page: Passage, point: int) -> str:
    """The page's text, one of its sentences left out."""
    return f"{page.title}. {' '.join(says for i, says in enumerate(page.points) if i != point)}"


def system(rng: np.random.Generator) -> str | None:
    return pick(rng, SYSTEMS) if rng.random() < 0.12 else None


def digest(rows: Iterator[Exchange]) -> str:
    """sha256 of the exchanges, one a line."""
    total = hashlib.sha256()
    for row in rows:
        total.update(repr((row.system, row.question, row.passages, row.answer)).encode() + b"\n")
    return total.hexdigest()


@cache
def pages() -> Knowledge:
    return knowledge()
