import re

import numpy as np

from monitor.demo.knowledge import knowledge
from training.assistant.corpus import I_DO_NOT_KNOW, LOOSELY_FROM, digest, exchanges, orrelbox
from training.assistant.names import composed, number_like
from training.assistant.products import PLANS, PRODUCT, product

NUMBER = re.compile(r"\d[\d.,]*")


def test_an_answer_stands_in_a_passage_or_is_i_do_not_know() -> None:
    rows = list(exchanges("train", 3, 400))
    for row in rows:
        assert any(row.answer in passage for passage in row.passages) == row.answerable
        assert row.answerable or row.answer == I_DO_NOT_KNOW
    assert 0.2 < np.mean([not row.answerable for row in rows]) < 0.36


def test_the_same_seed_gives_the_same_exchanges_wherever_one_begins() -> None:
    assert list(exchanges("train", 3, 40))[25:] == list(exchanges("train", 3, 15, first=25))
    assert digest(exchanges("train", 3, 5)) != digest(exchanges("held-out", 3, 5))


def test_a_product_shares_no_name_and_few_numbers_with_the_demos() -> None:
    own = knowledge()
    other = product(np.random.default_rng(0), own)
    text = " ".join(page.text for page in other.pages)
    assert not re.search(r"\b(orrelbox|sprig|bough|canopy|OB-204)\b", text, re.IGNORECASE)
    theirs = [NUMBER.findall(page.text) for page in other.pages]
    ours = [NUMBER.findall(page.text) for page in own.passages]
    pairs = [pair for a, b in zip(ours, theirs, strict=True) for pair in zip(a, b, strict=True)]
    assert np.mean([a == b for a, b in pairs]) < 0.25


def test_a_question_names_what_the_pages_name() -> None:
    other = product(np.random.default_rng(0), knowledge())
    asked = other.asked("Does Orrelbox show OB-204 on Sprig? and does orrelbox on sprig?")
    name, code, plan, small, small_plan = re.findall(
        r"Does (\w+) show (\S+) on (\w+)\? and does (\w+) on (\w+)", asked
    )[0]
    text = " ".join(page.text for page in other.pages)
    assert all(each in text for each in (name, code, plan))
    assert (small, small_plan) == (name.lower(), plan.lower())


def test_the_demos_pages_are_asked_as_they_are() -> None:
    pages = {page.text for page in knowledge().passages}
    whole = [passage in pages for row in orrelbox(1, 60) for passage in row.passages]
    assert np.mean(whole) > 0.85  # of some, one sentence is left out


def test_a_number_keeps_its_form() -> None:
    drawn = [number_like(np.random.default_rng(i), "5,000") for i in range(50)]
    assert all(re.fullmatch(r"[1-9],\d{3}", each) for each in drawn)
    assert len(set(drawn)) > 45


def test_no_name_is_one_of_the_demos() -> None:
    rng = np.random.default_rng(0)
    drawn = {composed(rng) for _ in range(3000)}
    assert len(drawn) > 1000
    assert not drawn & {PRODUCT, *PLANS}


def test_later_exchanges_are_asked_loosely_and_answered_alike() -> None:
    rows = list(exchanges("train", 3, 300, first=LOOSELY_FROM))
    assert all(any(row.answer in passage for passage in row.passages) == row.answerable for row in rows)
    openings = ("Is it true that", "What about", "Tell me about", "How is it with", "I ask about")
    assert 0.04 < np.mean([row.question.startswith(openings) for row in rows]) < 0.2
