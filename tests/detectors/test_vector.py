import numpy as np
from scipy.spatial.distance import cdist, pdist

from detectors.vector import fit_vector


def test_inner_products_approach_the_gaussian_kernel() -> None:
    x = np.random.default_rng(0).normal(size=(200, 20))
    fitted = fit_vector(x, features=8_192, seed=1)
    features = fitted.apply(x)[:, :-1]
    kernel = np.exp(-(cdist(x, x) ** 2) / (2 * np.median(pdist(x)) ** 2))
    np.testing.assert_allclose(features @ features.T, kernel, atol=0.06)


def test_the_same_seed_gives_the_same_map() -> None:
    x = np.random.default_rng(0).normal(size=(50, 8))
    first, again, other = (fit_vector(x, features=32, seed=seed).weights for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_equal_vectors_still_give_a_map() -> None:
    fitted = fit_vector(np.ones((10, 8)), seed=0)
    assert fitted.size == 513
    assert np.isfinite(fitted.apply(np.ones((2, 8)))).all()


def test_a_column_of_missing_vectors_still_gives_a_map() -> None:
    fitted = fit_vector(np.full((10, 8), np.nan), seed=0)
    assert fitted.apply(np.ones((1, 8)))[0, -1] == 0.0
