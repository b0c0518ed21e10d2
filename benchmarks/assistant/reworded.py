"""Questions about the demo's pages in words that the corpus does not have, with and without the page."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from training.assistant.corpus import I_DO_NOT_KNOW, Exchange, pages

FILE = Path(__file__).with_name("reworded.toml")


def reworded(seed: int) -> Iterator[Exchange]:
    """Each question twice: with its page among three of one topic, and with three others."""
    rng = np.random.default_rng(seed)
    known = pages().passages
    places = {page.id: i for i, page in enumerate(known)}
    for each in tomllib.loads(FILE.read_text("utf-8"))["asked"]:
        own = places[each["page"]]
        near = [i for i, page in enumerate(known) if page.topic == known[own].topic and i != own]
        others = [int(i) for i in rng.permutation(near)[:3]]
        for shown, answer in (([own, *others[:2]], known[own].points[each["point"]]), (others, I_DO_NOT_KNOW)):
            passages = tuple(known[i].text for i in rng.permutation(shown))
            yield Exchange(each["text"], passages, answer, answerable=answer != I_DO_NOT_KNOW)
