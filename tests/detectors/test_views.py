import numpy as np
import pytest

from detectors.views import fit_views

from .conftest import Columns


def test_each_view_stands_in_its_slice(columns: Columns) -> None:
    x = columns(np.random.default_rng(0), 400)["embedding"]
    fitted = fit_views(x, features=64, seed=0)
    features, projected = fitted.apply(x), fitted.projection.apply(x)
    assert list(fitted.slices()) == ["fourier", "whitened", "clusters", "spread"]
    assert sum(part.stop - part.start for part in fitted.slices().values()) + 1 == fitted.size == features.shape[1]
    for name, part in fitted.slices().items():
        np.testing.assert_allclose(features[:, part], fitted.views[name].apply(projected)[:, :-1], atol=1e-6)


def test_whitening_before_the_map_is_whitening_in_its_weights(columns: Columns) -> None:
    x = columns(np.random.default_rng(0), 400)["embedding"]
    fitted = fit_views(x, features=4_096, axes=8, seed=0)
    white = fitted.projection.apply(x) * fitted.projection.scales
    features = fitted.whitened.apply(fitted.projection.apply(x))[:, :-1]
    inner = features @ features.T
    apart = ((white[:, None] - white) ** 2).sum(axis=2)
    off = ~np.eye(len(x), dtype=bool)
    kernel = np.exp(-apart / (2.0 * np.median(apart[off])))
    np.testing.assert_allclose(inner, kernel, atol=0.1)


@pytest.mark.parametrize("rows", [np.zeros((1, 5)), np.ones((99, 5)), np.full((40, 5), np.nan)])
def test_rows_without_any_spread_still_give_a_map(rows: np.ndarray) -> None:
    assert np.isfinite(fit_views(rows, seed=0).apply(np.ones((2, 5)))).all()
