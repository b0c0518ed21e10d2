import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.grounding import read
from detectors.retrieval import age, gap, overlap, top_score
from detectors.stems import Stems

YEAR_S = 365.25 * 86400
NUMBERS = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=5)


@pytest.mark.parametrize("score", [top_score, gap, age])
@given(own=NUMBERS)
def test_any_numbers_give_a_value_or_a_reason(score, own: list[float]) -> None:
    if score is age:
        own = [number for number in own if math.isfinite(number)]
    (found,) = score([own])
    assert (found.value is None) == (found.reason is not None)


@pytest.mark.parametrize(("own", "value"), [([0.25, 0.75], 0.25), ([1.0], 0.0), ([-0.5, -1.0], 1.0), ([0.0], 1.0)])
def test_the_top_score_is_read_as_a_similarity(own: list[float], value: float) -> None:
    assert top_score([own])[0].value == value


def test_scores_on_another_scale_are_an_error_that_names_one() -> None:
    (score,) = top_score([[0.5, 17.25]])
    assert (score.status, score.reason) == ("error", "scores of passages must be similarities from -1 to 1; got 17.25")


@pytest.mark.parametrize(
    ("own", "value"),
    [([4.0, 8.0, 2.0], 0.5), ([8.0, 8.0], 1.0), ([-2.0, -8.0], 0.25), ([1e308, -1e308], 0.0), ([0.0, 0.0], 1.0)],
)
def test_the_gap_is_relative(own: list[float], value: float) -> None:
    assert gap([own])[0].value == pytest.approx(value)


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=6), st.floats(0.1, 10))
def test_the_gap_does_not_depend_on_the_scale(own: list[float], factor: float) -> None:
    assert gap([own])[0].value == pytest.approx(gap([[factor * number for number in own]])[0].value, abs=1e-9)


def overlap_of(question: str, *passages: str):
    stems = Stems()
    return overlap([question], [read(passages, stems).stems], stems)[0]


@pytest.mark.parametrize(
    ("question", "passages", "value"),
    [
        ("Who built the bridge?", ["The bridge was built in 1932."], 0.0),
        ("Who built the bridge?", ["A tale of bridges.", "Rebuilt later."], 0.5),
        ("Who built the bridge?", ["Of whales."], 1.0),
        ("谁建桥", ["桥是他们建的"], pytest.approx(1 / 3)),
    ],
)
def test_the_overlap_counts_content_words_of_the_question(question: str, passages: list[str], value: float) -> None:
    assert overlap_of(question, *passages).value == value


@pytest.mark.parametrize(
    ("question", "passage", "reason"),
    [("Who is it?", "It", "no content words in the question"), ("Which bridge?", "...", "no words in the passages")],
)
def test_an_overlap_of_nothing_has_a_reason(question: str, passage: str, reason: str) -> None:
    score = overlap_of(question, passage)
    assert (score.status, score.reason) == ("insufficient_input", reason)


@pytest.mark.parametrize(
    ("ages", "value"), [([0.0], 0.0), ([YEAR_S, 9 * YEAR_S], 0.5), ([2 * YEAR_S], 0.75), ([-5.0], 0.0)]
)
def test_the_newest_passage_halves_its_freshness_every_year(ages: list[float], value: float) -> None:
    assert age([ages])[0].value == pytest.approx(value)
