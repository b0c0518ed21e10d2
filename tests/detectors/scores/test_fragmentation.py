import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.fragmentation import Tokenized, fragmentation

COUNT = st.none() | st.integers(0, 50)


@given(st.text(max_size=40), COUNT, COUNT, COUNT, COUNT)
def test_every_count_gives_a_value_or_a_reason(answer, tokens, of_all, unknown, single) -> None:
    (score,) = fragmentation([Tokenized(answer, tokens, of_all, unknown, single)])
    assert (score.value is None) == (score.reason is not None)
    assert score.value is None or 0.0 <= score.value <= 1.0


@pytest.mark.parametrize(
    ("answer", "tokens", "of_all", "unknown", "single", "value"),
    [
        ("one two three", 3, None, None, None, 0.0),
        ("one two three", 2, None, None, None, 0.0),
        ("one two three", 6, 20, 0, 0, 0.5),
        ("one two three", 6, 20, 2, 3, 1 - 0.5 * 0.75),
        ("今天天气", 4, None, None, None, 0.0),
    ],
)
def test_the_value_is_by_words_and_odd_tokens(answer, tokens, of_all, unknown, single, value: float) -> None:
    assert fragmentation([Tokenized(answer, tokens, of_all, unknown, single)])[0].value == pytest.approx(value)


@pytest.mark.parametrize(
    ("given_", "status", "reason"),
    [
        (Tokenized("a", None, None, None, None), "insufficient_input", "no token count"),
        (Tokenized(" ", 3, None, None, None), "insufficient_input", "no words in the answer"),
        (Tokenized("a", 3, 4, 3, 3), "error", "unknown and single-byte tokens must be among 4 tokens; got 6"),
    ],
)
def test_counts_that_tell_nothing_have_a_reason(given_: Tokenized, status: str, reason: str) -> None:
    (score,) = fragmentation([given_])
    assert (score.status, score.reason) == (status, reason)
