from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice

import msgspec
import numpy as np
import pytest

from monitor.demo.answers import UNKNOWN
from monitor.demo.crowd import AHEAD, Crowd, Question, Questions, asking, judged
from monitor.demo.golden import golden_prompts
from monitor.demo.knowledge import knowledge
from monitor.demo.retrieval import Library
from monitor.inference.build import cached_minilm
from monitor.inference.encoder import Encoder
from monitor.web.worker.bodies import ChatRequest

PAGES = knowledge()


def questions(seed: int = 1, topic: str | None = None) -> Iterator[Question]:
    made = Questions(PAGES, np.random.default_rng(seed), topic)
    while True:
        yield made.next()


@pytest.fixture(scope="module")
def library() -> Library:
    return Library.of(PAGES.passages, Encoder.load(cached_minilm()))


def test_the_same_seed_asks_the_same_questions() -> None:
    first, again, other = (list(islice(questions(seed), 30)) for seed in (1, 1, 2))
    assert first == again != other


def test_a_newsletter_makes_most_questions_about_its_topic() -> None:
    def share(topic: str | None) -> float:
        asked = [each.page.topic == "sync" for each in islice(questions(topic=topic), 600) if each.page is not None]
        return float(np.mean(asked))

    assert share(None) < 0.25
    assert 0.75 < share("sync") < 0.9


def test_the_page_that_answers_is_mostly_among_the_three_that_are_found(library: Library) -> None:
    asked = [each for each in islice(questions(), 150) if each.page is not None]
    found = [[document.id for document in library.search(each.text)] for each in asked]
    held = [each.page.id in pages for each, pages in zip(asked, found, strict=True) if each.page is not None]
    assert np.mean(held) > 0.8
    scores = [document.score or 0.0 for document in library.search(asked[0].text)]
    assert sorted(scores, reverse=True) == scores


def test_a_question_is_a_request_that_the_worker_takes(library: Library) -> None:
    question = next(questions())
    found = library.search(question.text)
    body = msgspec.json.decode(msgspec.json.encode(asking("orrel-assistant", question, found)), type=ChatRequest)
    assert body.messages[0].content == question.text
    assert body.driftwarden.context == found
    assert body.driftwarden.trace.segment.tenant == question.visitor.tenant


def test_an_answer_is_right_honest_stopped_or_wrong(library: Library) -> None:
    question = next(each for each in questions() if each.page is not None)
    held = [document for document in library.search(question.page.text) if question.page] if question.page else []
    cases = {
        ("stop", question.answer, True): "right",
        ("stop", UNKNOWN[0], True): "wrong",
        ("stop", UNKNOWN[0], False): "honest",
        ("stop", question.answer, False): "wrong",
        ("content_filter", question.answer, True): "stopped",
    }
    for (reason, text, shown), outcome in cases.items():
        choice = {"finish_reason": reason, "message": {"content": f"{text}"}}
        assert judged(choice, question, held if shown else []) == outcome


def test_nobody_asks_far_ahead_of_what_is_stored(library: Library) -> None:
    crowd = Crowd("", "m", Questions(PAGES, np.random.default_rng(1)), library, lambda: 0)
    assert all(crowd.turn() is not None for _ in range(AHEAD))
    waiting = threading.Thread(target=crowd.turn)
    waiting.start()
    crowd.stopping.set()
    waiting.join(5.0)
    assert not waiting.is_alive()
    assert crowd.asked == AHEAD


def test_golden_prompts_have_the_answer_on_their_first_page() -> None:
    lines = [msgspec.json.decode(line) for line in golden_prompts(PAGES).splitlines()]
    assert len({line["name"] for line in lines}) == len(lines) == 10
    for line in lines:
        assert line["expected"][0] in line["context"][0]
        assert len(line["context"]) == 3
