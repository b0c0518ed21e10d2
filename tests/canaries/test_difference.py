from dataclasses import replace

import pytest

from detectors.canary import Watch, learn
from monitor.canaries.difference import Pair, difference, phrases
from monitor.canaries.telling import build_change, severity
from monitor.model.canary import Quality, Told
from tests.canaries.support import START, answer

RIGHT, HALF, WRONG = Quality(True, 1.0, 1.0), Quality(False, 0.5, 0.5), Quality(False, 0.0, 0.0)
BEFORE = Told("a", "a", START, answer(), quality=RIGHT)
# The reference's own answers to the prompt differed by up to 20 in log-probabilities.
WATCH = learn(learn(Watch(), "a", {"logprobs": 20, "answers": 0, "quality": 0}), "a", {"logprobs": 3})


def pair(logprobs: int = 0, answers: int = 0, quality: int = 0, now: Quality | None = RIGHT) -> Pair:
    marks = {"logprobs": logprobs, "answers": answers, "quality": quality}
    return Pair(replace(BEFORE, quality=now, marks=marks, first_shift=0.25, shift=0.125), BEFORE)


def test_what_is_within_the_noise_of_the_reference_has_not_moved() -> None:
    found = difference([pair(20), pair(21), pair(30)], WATCH)
    assert (found.canaries, found.moved, found.first_shift, found.shift) == (3, 2, 0.25, 0.125)
    assert phrases(found) == [
        "first-token log-probabilities moved by 0.25 nats on 2 of 3 canaries", "answers the same",
    ]  # fmt: skip
    assert not found.worse


def test_worse_answers_come_first_and_other_ones_next() -> None:
    found = difference([pair(0, 9, 9, WRONG), pair(0, 9, 9, WRONG), pair()], WATCH)
    assert phrases(found) == ["exact match fell from 3/3 to 1/3", "2 of 3 answers differ"]
    assert severity(found, named=True) == "critical"


def test_answers_that_never_matched_are_told_by_their_words() -> None:
    never = replace(BEFORE, quality=HALF)
    pairs = [Pair(replace(each.now, quality=WRONG), never) for each in (pair(0, 9, 9), pair(0, 9, 9))]
    assert phrases(difference(pairs, WATCH))[0] == "token F1 fell from 0.50 to 0.00 on 2 canaries"


def test_one_answer_that_is_worse_is_not_yet_worse_answers() -> None:
    found = difference([pair(0, 9, 9, WRONG), pair()], WATCH)
    assert not found.worse
    assert severity(found, named=True) == "warning"


def test_many_answers_at_the_edge_of_the_noise_are_a_change_too() -> None:
    found = difference([pair(20, now=None)] * 4, WATCH)
    assert phrases(found) == ["4 answers differ more than the reference's among themselves"]
    assert (found.judged, severity(found, named=True), severity(found, named=False)) == (0, "info", "warning")


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (None, None, "a silent change: the endpoint names no build"),
        ("bot:1", "bot:1", "a silent change: the endpoint still calls its build bot:1"),
        ("bot:1", "bot:2", "build bot:1 → bot:2"),
        ("bot:1", None, "build bot:1 → without a name"),
    ],
)
def test_a_change_is_silent_unless_the_endpoint_says_so(before: str | None, now: str | None, told: str) -> None:
    assert build_change(before, now) == told
