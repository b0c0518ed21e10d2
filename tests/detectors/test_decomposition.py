import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import Sum
from detectors.decomposition import split

finite = st.floats(-1e3, 1e3)
sums = st.tuples(st.integers(0, 1000), finite, finite).map(
    lambda drawn: Sum(float(drawn[0]), np.array(drawn[1:]) * min(drawn[0], 1))
)


@given(st.lists(st.tuples(sums, sums), min_size=1, max_size=8))
def test_the_parts_add_exactly_to_the_shift_of_the_means(cells: list[tuple[Sum, Sum]]) -> None:
    before, after = [cell[0] for cell in cells], [cell[1] for cell in cells]
    old, new = sum(before, Sum.zero(2)), sum(after, Sum.zero(2))
    if not old.n or not new.n:
        return
    found = split(before, after)

    assert found.shift == pytest.approx(new.mean - old.mean, abs=1e-6 * (1 + np.abs(new.total).max()))


@given(st.lists(st.tuples(sums, sums), min_size=2, max_size=8))
def test_twice_the_traffic_has_the_same_parts(cells: list[tuple[Sum, Sum]]) -> None:
    before, after = [cell[0] for cell in cells], [cell[1] for cell in cells]
    if not sum(part.n for part in before) or not sum(part.n for part in after):
        return
    once, twice = split(before, after), split([part + part for part in before], [part + part for part in after])

    for part in ("mix", "new", "behaviour"):
        assert getattr(twice, part) == pytest.approx(getattr(once, part), rel=1e-9, abs=1e-6)


def test_other_shares_of_the_same_topics_are_mix() -> None:
    found = split([Sum(80.0, np.array([80.0])), Sum(20.0, np.array([60.0]))],
                  [Sum(20.0, np.array([20.0])), Sum(80.0, np.array([240.0]))])  # fmt: skip

    assert found.mix.sum() == pytest.approx(0.6 * (3.0 - 1.0))
    assert (found.new.sum(), found.behaviour.sum()) == (0.0, pytest.approx(0.0))


def test_other_values_in_the_same_topics_are_behaviour() -> None:
    found = split([Sum(80.0, np.array([80.0])), Sum(20.0, np.array([60.0]))],
                  [Sum(40.0, np.array([80.0])), Sum(10.0, np.array([30.0]))])  # fmt: skip

    assert found.behaviour[:, 0] == pytest.approx([0.8, 0.0])
    assert found.mix.sum() == pytest.approx(0.0)


def test_a_topic_nobody_asked_about_before_is_new_and_tells_nothing_of_behaviour() -> None:
    found = split([Sum(100.0, np.array([100.0])), Sum.zero(1)],
                  [Sum(90.0, np.array([90.0])), Sum(10.0, np.array([70.0]))])  # fmt: skip

    assert found.new[:, 0] == pytest.approx([0.0, 0.1 * (7.0 - 1.0)])
    assert found.mix.sum() == found.behaviour.sum() == pytest.approx(0.0)


def test_without_traces_there_is_nothing_to_split() -> None:
    with pytest.raises(ValueError, match="expected traces before and after, got"):
        split([Sum.zero(1)], [Sum(1.0, np.ones(1))])
