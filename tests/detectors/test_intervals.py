"""Intervals hold the truth about as often as they say, and values agree with SciPy."""

import numpy as np
import pytest
from scipy.stats import ks_2samp, wasserstein_distance
from scipy.stats.contingency import association

from detectors.intervals import (
    category_estimates,
    centroid_cosine,
    cramers_v,
    mean_difference,
    mmd2,
    scalar_estimates,
    share_difference,
)


def test_values_are_those_of_scipy() -> None:
    random = np.random.default_rng(0)
    before, now = random.normal(size=500), random.normal(0.4, 1.5, size=300)
    by_name = {estimate.name: estimate for estimate in scalar_estimates(before, now, random)}
    assert by_name["KS"].value == pytest.approx(ks_2samp(before, now).statistic)
    assert by_name["Wasserstein"].value == pytest.approx(wasserstein_distance(before, now))
    table = np.array([[30.0, 20, 5], [20.0, 30, 9]])
    assert cramers_v(*table) == pytest.approx(association(table.astype(int), method="cramer"))


def test_values_that_hang_together_have_wider_limits_about_the_same_value() -> None:
    random = np.random.default_rng(0)
    before, now = random.normal(size=50), random.normal(1.0, 1.0, size=40)
    plain, wide = mean_difference(before, now), mean_difference(before, now, over_dispersion=4.0)

    assert wide.value == plain.value
    assert (wide.high - wide.value, wide.value - wide.low) == pytest.approx(
        (2.0 * (plain.high - plain.value), 2.0 * (plain.value - plain.low))
    )


def test_the_interval_of_a_true_distance_holds_it() -> None:
    truth = 1.0 / 3.0  # Wasserstein's distance of N(0, 1) and N(1/3, 1)
    held = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        found = scalar_estimates(random.normal(size=400), random.normal(truth, 1.0, size=400), random)[2]
        held += found.low <= truth <= found.high
    assert held >= 51


def test_the_interval_of_no_distance_reaches_down_to_zero() -> None:
    held = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        held += all(found.low < 0.02 for found in scalar_estimates(*random.normal(size=(2, 300)), random)[1:])
    assert held >= 36


def test_the_mean_difference_has_welchs_interval() -> None:
    found = mean_difference(np.array([1.0, 2, 3, 4]), np.array([3.0, 5, 7]))
    # By hand: standard error sqrt(5/12 + 4/3) = 1.32288, degrees of freedom 1.75² / ((5/12)²/3 + (4/3)²/2) = 3.2347,
    # whose t table, between 3.182 at 3 and 2.776 at 4, gives about 3.06.
    assert found.value == 2.5
    assert (found.low, found.high) == pytest.approx((2.5 - 4.045, 2.5 + 4.045), abs=0.01)


def test_equal_constants_differ_by_exactly_nothing() -> None:
    found = mean_difference(np.ones(5), np.ones(9))
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_labels_that_share_nothing_are_as_far_apart_as_can_be() -> None:
    total, association_ = category_estimates(np.array([50.0, 0]), np.array([0.0, 80]), np.random.default_rng(0))
    assert (total.value, association_.value) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize("size", [0.0, 0.4])
def test_the_mmd_interval_holds_the_truth(size: float) -> None:
    shift = np.zeros(12)
    shift[0] = size
    held = values = 0.0
    for seed in range(150):
        random = np.random.default_rng(seed)
        before, now = random.normal(size=(300, 12)).astype("f"), (random.normal(size=(200, 12)) + shift).astype("f")
        found = mmd2(before, now)
        held += found.low <= size**2 <= max(found.high, 0.0)
        values += found.value / 150
    assert values == pytest.approx(size**2, abs=0.03)
    assert held >= 0.88 * 150


def test_the_cosine_of_a_turned_centroid_is_held() -> None:
    truth = np.cos(0.3)
    held = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        before = random.normal([1.0, 0.0], 0.5, size=(400, 2))
        now = random.normal([np.cos(0.3), np.sin(0.3)], 0.5, size=(400, 2))
        found = centroid_cosine(before, now, random)
        held += found.low <= truth <= found.high
    assert held >= 51


def test_a_difference_of_shares_keeps_within_one() -> None:
    found = share_difference("novel", 0, 20, 20, 20)
    assert found.value == 1.0
    assert 0.7 < found.low < found.high <= 1.0
