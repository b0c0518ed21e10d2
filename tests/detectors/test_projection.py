import numpy as np
import pytest

from detectors.projection import fit_projection


def test_coordinates_and_what_is_left_keep_the_distance_from_the_middle() -> None:
    x = np.random.default_rng(0).normal(size=(300, 40)).astype(np.float32)
    projection = fit_projection(x, axes=7)
    projected = projection.apply(x)
    assert projected.shape == (300, 8)
    np.testing.assert_allclose(np.linalg.norm(projected, axis=1), np.linalg.norm(x - x.mean(axis=0), axis=1), rtol=1e-4)


def test_the_axes_are_those_of_the_largest_variances() -> None:
    spread = np.array([1.0, 5.0, 0.1, 3.0])
    x = np.random.default_rng(0).normal(size=(5_000, 4)) * spread
    projection = fit_projection(x, axes=2)
    np.testing.assert_allclose(np.abs(projection.axes[[1, 3], [0, 1]]), 1.0, atol=0.02)
    np.testing.assert_allclose(projection.apply(x)[:, :2].std(axis=0), [5.0, 3.0], rtol=0.03)


def test_whitened_coordinates_have_nearly_unit_variance() -> None:
    x = np.random.default_rng(0).normal(size=(5_000, 20)) * np.linspace(1, 3, 20)
    projection = fit_projection(x, axes=20, ridge=1e-6)
    whitened = projection.apply(x)[:, :-1] * projection.scales[:-1]
    np.testing.assert_allclose(whitened.std(axis=0), 1.0, atol=1e-3)


def test_nothing_is_left_beside_axes_that_span_all() -> None:
    x = np.random.default_rng(0).normal(size=(50, 6))
    assert (fit_projection(x).apply(x)[:, -1] == 0.0).all()


@pytest.mark.parametrize("rows", [np.zeros((1, 5)), np.ones((9, 5))])
def test_rows_without_any_spread_still_give_a_projection(rows: np.ndarray) -> None:
    projection = fit_projection(rows)
    assert np.isfinite(projection.apply(np.ones((2, 5)))).all()
