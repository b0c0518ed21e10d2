import numpy as np
import pytest

from monitor.comparing.bars import label_bars, number_bars


def test_bars_of_numbers_hold_every_value_of_both_sides() -> None:
    random = np.random.default_rng(0)
    bars = number_bars(random.normal(size=500), 100.0 * random.normal(size=300))
    assert len(bars.labels) == len(bars.before) + 1 == len(bars.now) + 1
    assert sum(bars.before) == pytest.approx(1.0)
    assert sum(bars.now) == pytest.approx(1.0)


def test_whole_numbers_have_a_bar_each() -> None:
    bars = number_bars(np.array([0.0, 1, 1, 3]), np.array([0.0, 0, 2, 3]))
    assert list(bars.before) == [0.25, 0.5, 0.0, 0.25]
    assert list(bars.now) == [0.5, 0.0, 0.25, 0.25]


@pytest.mark.parametrize("values", [np.full(9, 3.0), np.array([2.5])])
def test_equal_numbers_are_one_bar(values: np.ndarray) -> None:
    assert sorted(number_bars(values, values).before)[-1] == 1.0


def test_no_numbers_are_no_bars() -> None:
    assert list(number_bars(np.zeros(0), np.zeros(0)).before) == []


def test_many_labels_are_cut_to_the_most_frequent_and_the_rest() -> None:
    shares = np.full(20, 0.05)
    bars = label_bars([*map(str, range(19)), None], shares, shares)
    assert list(bars.labels) == [*map(str, range(8)), "12 others"]
    assert bars.now[-1] == pytest.approx(0.6)
