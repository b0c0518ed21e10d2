import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.shift import Position, distance, shifts

lists = st.dictionaries(st.sampled_from("abcdef"), st.floats(-20, 0), max_size=5)


@given(before=lists, now=lists)
def test_a_distance_is_symmetric_and_nothing_to_itself(before: dict[str, float], now: dict[str, float]) -> None:
    assert distance(before, now) == pytest.approx(distance(now, before))
    assert distance(before, before) == 0.0


def test_answers_are_compared_up_to_where_they_part() -> None:
    before = [
        Position("The", {"The": -0.1, "A": -3.0}),
        Position("bridge", {"bridge": -0.5}),
        Position("is", {"is": 0}),
    ]
    now = [
        Position("The", {"The": -0.2, "A": -2.0}),
        Position("tower", {"tower": -0.4, "bridge": -0.8}),
        Position("is", {"is": -9}),
    ]
    # (0.1 + 1.0) / 2; then bridge moved by 0.3, and tower, not listed before, was at most as likely as bridge.
    assert shifts(before, now).tolist() == pytest.approx([0.55, (0.3 + 0.1) / 2])


def test_without_log_probabilities_nothing_is_compared() -> None:
    assert shifts([], [Position("The", {"The": -0.1})]).tolist() == []
