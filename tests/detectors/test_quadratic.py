import numpy as np
import pytest
from scipy.stats import chi2

from detectors.quadratic import Noise, Quadratic, fit_quadratic, log_p


def permuted(test: Quadratic, rows: np.ndarray, n: int, times: int, random: np.random.Generator) -> np.ndarray:
    """Distances over random labellings, in units of ``1/n + 1/m``."""
    unit = 1.0 / n + 1.0 / (len(rows) - n)
    found = []
    for _ in range(times):
        order = random.permutation(len(rows))
        shift = rows[order[n:]].mean(axis=0, dtype=np.float64) - rows[order[:n]].mean(axis=0, dtype=np.float64)
        found.append(test.distance(shift) / unit)
    return np.array(found)


@pytest.mark.parametrize(("n", "k"), [(400, 10), (60, 100)])
def test_the_noise_is_that_of_relabelled_rows_even_with_more_axes_than_rows(n: int, k: int) -> None:
    random = np.random.default_rng(0)
    rows = (random.standard_exponential(size=(n, k)) * np.linspace(0.2, 2, k)).astype(np.float32)
    test = fit_quadratic(rows, of_noise=1.0)
    noise = test.noise(rows)
    drawn = permuted(test, rows, n // 3, 4_000, random)
    assert drawn.mean() == pytest.approx(noise.mean, rel=0.02)
    assert drawn.var() == pytest.approx(2.0 * noise.square, rel=0.15)


def test_p_values_of_relabelled_rows_are_uniform() -> None:
    random = np.random.default_rng(1)
    rows = (random.standard_t(5, size=(300, 20)) * np.linspace(0.1, 3, 20)).astype(np.float32)
    test = fit_quadratic(rows)
    noise = test.noise(rows)
    p = np.exp([log_p(distance, noise, 1.0) for distance in permuted(test, rows, 100, 2_000, random)])
    for level in (0.01, 0.05, 0.25, 0.5):
        assert (p <= level).mean() == pytest.approx(level, abs=4 * np.sqrt(level / 2_000))


def test_without_weights_equal_variances_give_chi_square() -> None:
    p = log_p(30.0, Noise(12.0, 12.0, 12.0), 1.0)
    assert p == pytest.approx(chi2.logsf(30.0, 12), rel=1e-9)


def test_a_root_fitted_on_other_rows_is_not_taken_for_its_own() -> None:
    random = np.random.default_rng(2)
    fitting, fresh = random.normal(size=(2, 300, 60)).astype(np.float32)
    test = fit_quadratic(fitting, of_noise=0.1)
    own, new = test.noise(fitting), test.noise(fresh)
    assert own.mean == pytest.approx(60.0, rel=0.03)
    assert new.mean > 1.15 * own.mean  # Hotelling's statistic on new rows: n / (n − k − 1) times as large


def test_the_direction_is_hotellings_up_to_the_ridge() -> None:
    random = np.random.default_rng(3)
    rows = random.normal(size=(5_000, 4)) @ np.diag([3.0, 1.0, 0.5, 2.0])
    shift = np.array([0.3, 0.1, 0.05, -0.2])
    expected = np.linalg.solve(np.cov(rows.T), shift)
    found = fit_quadratic(rows.astype(np.float32), of_noise=1e-6).direction(shift)
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-3)


def test_rows_that_are_all_alike_differ_by_nothing() -> None:
    rows = np.ones((20, 3), dtype=np.float32)
    test = fit_quadratic(rows, of_noise=1.0)
    assert log_p(test.distance(np.zeros(3)), test.noise(rows), 0.2) == 0.0
