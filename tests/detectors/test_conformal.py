"""Bets on conformal p-values: what they pay is 1 in the mean, whatever is marked."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from detectors.conformal import Capital, aside, bet, e_value, mark, with_mark, without_mark

marks = st.lists(st.integers(0, 6), min_size=1, max_size=12)


def bag_of(found: list[int]) -> dict[int, int]:
    return {each: found.count(each) for each in found}


@given(found=marks)
def test_the_bets_on_any_of_some_exchangeable_marks_pay_one_in_the_mean(found: list[int]) -> None:
    paid = [e_value(bag_of(found[:i] + found[i + 1 :]), found[i]) for i in range(len(found))]
    assert np.mean(paid) == pytest.approx(1.0)


@given(found=marks, new=st.integers(0, 6))
def test_a_larger_mark_never_pays_less(found: list[int], new: int) -> None:
    assert e_value(bag_of(found), new + 1) >= e_value(bag_of(found), new) - 1e-12


def test_a_bet_pays_the_mixture_of_powers_of_p() -> None:
    # The new mark is the second largest of ten: p is uniform on (1/10, 2/10).
    def density(p: float) -> float:
        return float(quad(lambda power: power * p ** (power - 1), 0, 1)[0])

    expected = quad(density, 0.1, 0.2)[0] / 0.1
    assert e_value({0: 8, 9: 1}, 5) == pytest.approx(expected)


@given(found=marks, new=st.integers(0, 6))
def test_a_bag_forgets_what_was_put_in(found: list[int], new: int) -> None:
    assert without_mark(with_mark(bag_of(found), new), new) == bag_of(found)


def test_what_is_not_above_the_floor_is_alike_and_ten_per_cent_more_is_another_mark() -> None:
    assert [mark(distance, 0.001) for distance in (0.0, 0.001, 0.0010001, 0.00111, 1e30)] == [0, 0, 1, 2, 200]
    assert mark(math.nan, 0.001) == 0


@given(paid=st.lists(st.floats(0.1, 5), max_size=30))
def test_the_capital_is_a_mixture_over_when_one_begins_to_bet(paid: list[float]) -> None:
    capital = Capital()
    for each in paid:
        capital = bet(capital, each)
    begun = [aside(t) - aside(t + 1) for t in range(len(paid))]
    expected = aside(len(paid)) + sum(weight * math.prod(paid[t:]) for t, weight in enumerate(begun))
    assert math.exp(capital.log_e) == pytest.approx(expected)
    assert sum(begun) + aside(len(paid)) == pytest.approx(1.0)


def test_an_excursion_begins_where_payments_last_began_to_add_up() -> None:
    capital = Capital()
    for each in (0.5, 0.5, 2.0, 3.0, 0.9):
        capital = bet(capital, each)
    assert capital.excursion == 3
    assert math.exp(capital.log_excursion) == pytest.approx(5.4)
