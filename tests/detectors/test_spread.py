import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from detectors.projection import fit_projection
from detectors.spread import distances, fit_spread


def test_the_distance_is_that_of_mahalanobis() -> None:
    x = np.random.default_rng(0).normal(size=(400, 6)) * np.arange(1, 7)
    projection = fit_projection(x, axes=6, ridge=1e-9)
    inside, outside = distances(projection.apply(x), projection.scales[:-1])
    inverse = np.linalg.inv(np.cov(x.T))
    expected = [mahalanobis(row, x.mean(axis=0), inverse) for row in x]
    np.testing.assert_allclose(inside, expected, rtol=1e-3)
    np.testing.assert_allclose(outside, 0.0, atol=0.02)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_scale_that_shrinks_is_seen_as_well_as_one_that_grows(factor: float) -> None:
    random = np.random.default_rng(0)
    fitting, same, x = (random.normal(size=(2_000, 64)) for _ in range(3))
    projection = fit_projection(fitting, axes=16)
    fitted = fit_spread(projection.apply(fitting), projection.scales[:-1])
    before, after = (fitted.apply(projection.apply(rows)).mean(axis=0) for rows in (same, factor * x))
    bins = fitted.outside.bins
    inside_score, outside_score = fitted.inside.bins, fitted.inside.tested - 1 + bins
    shifts = after - before
    assert np.sign(factor - 1.0) * shifts[inside_score] > 0.4
    assert np.sign(factor - 1.0) * shifts[outside_score] > 0.8


def test_equal_rows_still_give_a_map() -> None:
    fitted = fit_spread(np.ones((10, 4), dtype=np.float32), np.ones(3, dtype=np.float32))
    assert np.isfinite(fitted.apply(np.ones((2, 4), dtype=np.float32))).all()
