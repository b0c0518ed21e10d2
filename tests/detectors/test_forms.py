import numpy as np
import pytest
from scipy.stats import chi2

from detectors.base import View
from detectors.forms import cumulants, form_weights, priors, surprise

VIEWS = (View("a", 0, 4, (None, 1.0), 0.75), View("b", 4, 5, (None,), 0.25))


def test_surprise_is_the_log_tail_of_chi_squared() -> None:
    for dof in (1.0, 2.0, 5.0, 40.0, 300.0):
        tails = np.array([1e-2, 1e-4, 1e-8, 1e-12])
        told = surprise(chi2.isf(tails, dof), np.array([dof, 2 * dof, 8 * dof]))
        np.testing.assert_allclose(told, -np.log(tails), rtol=0.03)


def test_a_form_without_variance_says_nothing() -> None:
    assert surprise(np.array([5.0]), np.zeros(3))[0] == 0.0


def test_surprise_grows_with_the_form() -> None:
    told = surprise(np.linspace(0.0, 400.0, 500), np.array([7.0, 20.0, 130.0]))
    assert (np.diff(told) >= 0).all()
    assert np.isfinite(told).all()


def test_priors_share_the_weight_of_a_view_among_its_forms() -> None:
    np.testing.assert_allclose(priors(VIEWS), [0.375, 0.375, 0.25])


def test_a_ridge_is_relative_to_the_leading_variances() -> None:
    variances = np.array([4.0, 1.0, 1.0, 0.0, 0.5])
    weights = form_weights(VIEWS, variances)
    size = 18.0 / 6.0
    np.testing.assert_allclose(weights[0], [1 / size] * 4 + [0.0])
    np.testing.assert_allclose(weights[1], [1 / (4 + size), 1 / (1 + size), 1 / (1 + size), 1 / size, 0.0])
    np.testing.assert_allclose(weights[2], [0, 0, 0, 0, 1 / 0.5])


@pytest.mark.parametrize(("n", "within"), [(60, 0.25), (2_000, 0.05)])
def test_cumulants_of_gaussian_rows_are_those_of_weighted_chi_squares(n: int, within: float) -> None:
    variances = np.array([4.0, 1.0, 1.0, 0.25, 0.5])
    weights = form_weights(VIEWS, variances)
    found = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        found.append(cumulants(random.normal(size=(n, 5)) * np.sqrt(variances), VIEWS, weights, random).gaussian)
    parts = weights * variances
    expected = np.stack([parts.sum(axis=1), 2 * (parts**2).sum(axis=1), 8 * (parts**3).sum(axis=1)], axis=1)
    np.testing.assert_allclose(np.mean(found, axis=0), expected, rtol=within)


def test_few_traces_of_a_rare_value_have_a_heavy_tail() -> None:
    rows = (np.random.default_rng(0).random((5_000, 1)) < 0.01).astype(float) - 0.01
    view = (View("rare", 0, 1, (None,), 1.0),)
    variance = rows.var(axis=0)
    found = cumulants(rows, view, form_weights(view, variance), np.random.default_rng(1))
    forms = np.arange(1, 4) ** 2 / 16 / variance  # that many among sixteen traces
    told = np.exp(-surprise(forms, found.of(np.full(1, 1 / 16))[0]))
    chance = 1 - np.array([0.99**16, 0.99**16 + 16 * 0.01 * 0.99**15, 0.99943])  # binomial, to three figures
    np.testing.assert_allclose(np.log(told[:2]), np.log(chance[:2]), atol=1.6)
    assert told[2] < 0.02
