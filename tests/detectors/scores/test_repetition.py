import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.repetition import repetition

WORDS = st.lists(st.sampled_from("abcde"), max_size=40)


def by_hand(words: list[str]) -> float:
    """seq-rep-4 (1908.04319): 1 − distinct 4-grams / 4-grams."""
    grams = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
    return 1 - len(set(grams)) / len(grams)


@given(WORDS)
def test_the_value_is_the_share_of_runs_of_four_that_came_before(words: list[str]) -> None:
    (score,) = repetition([" ".join(words)])
    if len(words) >= 8:
        assert score.value == pytest.approx(by_hand(words), abs=1e-12)
    else:
        assert score.value == (0.0 if words else None)


@given(WORDS)
def test_spans_are_in_order_apart_and_hold_only_repeated_runs(words: list[str]) -> None:
    answer = " ".join(words)
    (score,) = repetition([answer])
    assert bool(score.spans) == bool(score.value)
    assert all(first[1] < second[0] for first, second in zip(score.spans, score.spans[1:], strict=False))
    for start, end in score.spans:
        assert answer[start : start + 7] in answer[: start + 6]
        assert answer[end - 7 : end] in answer[: end - 1]


def test_a_sentence_said_again_is_marked() -> None:
    answer = "The sky is blue today. It will rain. The sky is blue today."
    (score,) = repetition([answer])
    assert [answer[start:end] for start, end in score.spans] == ["The sky is blue today."]


def test_scripts_without_spaces_are_read_by_character() -> None:
    (loop, plain) = repetition(["我不知道。" * 10, "今天天气很好,我们去公园散步,看到许多花和树。"])
    assert loop.value == pytest.approx(1 - 5 / 47)
    assert plain.value == 0.0


def test_an_empty_answer_has_none() -> None:
    assert [score.status for score in repetition(["", " \n"])] == ["insufficient_input"] * 2
