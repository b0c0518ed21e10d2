import numpy as np
import pytest
from scipy.special import ndtri

from detectors.scalar import fit_scalar, quantile_edges


def test_bins_have_equal_mass_and_there_are_at_most_32() -> None:
    values = np.random.default_rng(0).lognormal(size=6_400)
    fitted = fit_scalar(values)
    shares = fitted.apply(values)[:, : fitted.bins].mean(axis=0)
    assert fitted.bins == 32
    np.testing.assert_allclose(shares, 1 / 32, atol=1e-3)


def test_the_score_is_that_of_the_middle_rank_of_the_cell() -> None:
    values = np.arange(1.0, 257.0)
    fitted = fit_scalar(values)
    scores = fitted.apply(values)[:, fitted.bins]
    np.testing.assert_allclose(scores, ndtri((np.arange(256) + 0.5) / 256), atol=1e-5)


def test_scores_rise_with_the_value() -> None:
    values = np.random.default_rng(0).poisson(3.0, size=500).astype(float)
    fitted = fit_scalar(values)
    scores = fitted.apply(np.arange(-1.0, 30.0))[:, fitted.bins]
    assert (np.diff(scores) >= 0).all()
    assert scores[0] < scores[1]


def test_a_constant_has_a_bin_of_its_own_between_two_empty_ones() -> None:
    fitted = fit_scalar(np.full(50, 3.0))
    assert fitted.bins == 3
    np.testing.assert_array_equal(fitted.apply(np.array([2.9, 3.0, 3.1]))[:, :3], np.eye(3))


def test_ties_are_a_bin_of_their_own() -> None:
    values = np.concatenate([np.zeros(900), np.linspace(1.0, 2.0, 100)])
    fitted = fit_scalar(values)
    bins = fitted.apply(np.array([-1.0, 0.0, 0.5]))[:, : fitted.bins].argmax(axis=1)
    assert bins.tolist() == [0, 1, 2]


def test_two_values_are_enough() -> None:
    fitted = fit_scalar(np.array([1.0, 2.0]))
    features = fitted.apply(np.array([0.0, 1.0, 2.0, 3.0]))
    assert np.isfinite(features).all()
    assert features[1, :-4].argmax() < features[2, :-4].argmax()


def test_a_column_without_any_value_takes_any_value_later() -> None:
    fitted = fit_scalar(np.full(10, np.nan))
    features = fitted.apply(np.array([np.nan, 5.0]))
    assert features[:, fitted.tested - 1].tolist() == [1.0, 0.0]


def test_outliers_do_not_widen_the_level() -> None:
    values = np.append(np.random.default_rng(0).normal(10.0, 1.0, size=1_000), 1e12)
    fitted = fit_scalar(values)
    level = fitted.apply(np.array([10.0, 15.0, 1e12]))[:, -1]
    assert fitted.spread == pytest.approx(4.65, abs=0.3)  # twice the 99th percentile of a normal
    assert level[1] == pytest.approx((15.0 - fitted.centre) / fitted.spread, rel=1e-5)
    assert level[2] == 50.0


def test_quantile_edges_of_many_ties_stay_few() -> None:
    values = np.repeat(np.arange(100.0), 50)
    edges = quantile_edges(values, 32)
    assert len(edges) <= 31
    assert (np.diff(edges) > 0).all()


def test_a_value_that_comes_again_keeps_its_cell_whatever_its_last_digits_are() -> None:
    random = np.random.default_rng(0)
    values = random.uniform(size=60)
    fitted = fit_scalar(values[random.integers(60, size=500)] + random.normal(scale=1e-7, size=500))
    cells = [fitted.cells(values + random.normal(scale=1e-7, size=60)) for _ in range(20)]
    assert (np.array(cells) == cells[0]).all()


def test_values_a_little_above_one_that_comes_often_are_told_from_it() -> None:
    fitted = fit_scalar(np.append(np.zeros(900), np.linspace(0.5, 1.0, 100)))
    assert fitted.cells(np.array([0.01]))[0] > fitted.cells(np.array([0.0]))[0]
