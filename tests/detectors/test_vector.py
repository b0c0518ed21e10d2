import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from detectors.vector import EmbeddingMap, fit_vector

D = 24


def topics(random: np.random.Generator, n: int) -> np.ndarray:
    middles = np.random.default_rng(3).normal(size=(5, D))
    return middles[random.integers(0, 5, n)] + 0.3 * random.normal(size=(n, D))


@pytest.fixture(scope="module")
def fitted() -> EmbeddingMap:
    return fit_vector(topics(np.random.default_rng(0), 900), clusters=5, axes=8, seed=0)


def test_the_views_cover_every_feature_once(fitted: EmbeddingMap) -> None:
    stops = [0] + [view.stop for view in fitted.views]
    assert [view.start for view in fitted.views] == stops[:-1]
    assert stops[-1] == fitted.tested == fitted.size


def test_the_first_features_are_the_centred_vector(fitted: EmbeddingMap) -> None:
    rows = topics(np.random.default_rng(1), 7)
    np.testing.assert_allclose(fitted.apply(rows)[:, :D], rows - fitted.centre, atol=1e-6)


def test_each_vector_lies_in_its_nearest_cluster(fitted: EmbeddingMap) -> None:
    rows = topics(np.random.default_rng(1), 50)
    inside = (rows - fitted.centre) @ fitted.axes[:, :8]
    shares = fitted.apply(rows)[:, D : D + 5]
    np.testing.assert_array_equal(shares.argmax(axis=1), cdist(inside, fitted.clusters).argmin(axis=1))
    np.testing.assert_array_equal(shares.sum(axis=1), 1.0)


@given(st.integers(0, 2**32 - 1))
def test_turning_keeps_lengths_and_comes_back(fitted: EmbeddingMap, seed: int) -> None:
    features = np.random.default_rng(seed).normal(size=(3, fitted.tested))
    turned = fitted.turn(features)
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(features, axis=1), rtol=1e-5)
    np.testing.assert_allclose(fitted.turn_back(turned), features, atol=1e-5)


def test_axes_come_with_the_largest_variance_first(fitted: EmbeddingMap) -> None:
    rows = topics(np.random.default_rng(2), 4_000)
    variances = ((rows - rows.mean(axis=0)) @ fitted.axes).var(axis=0)
    assert variances[:4].min() > 5 * variances[4:].max()


def test_a_vector_out_of_all_proportion_is_cut(fitted: EmbeddingMap) -> None:
    far = fitted.apply(np.full((1, D), 1e6))
    assert np.linalg.norm(far[0, :D]) == pytest.approx(fitted.longest, rel=1e-5)


def test_the_same_seed_gives_the_same_map() -> None:
    rows = topics(np.random.default_rng(0), 300)
    first, again = (fit_vector(rows, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first.clusters, again.clusters)


def test_equal_vectors_still_give_a_map() -> None:
    fitted = fit_vector(np.ones((10, 8)), seed=0)
    assert len(fitted.clusters) == 1
    assert np.isfinite(fitted.apply(np.ones((2, 8)))).all()


def test_a_column_of_missing_vectors_still_gives_a_map() -> None:
    fitted = fit_vector(np.full((10, 8), np.nan), seed=0)
    assert fitted.apply(np.ones((1, 8)))[0, -1] == 0.0


def test_answers_given_often_keep_their_features_whatever_is_encoded_beside_them() -> None:
    random = np.random.default_rng(3)
    answers = random.normal(size=(80, 96))
    answers /= np.linalg.norm(answers, axis=1, keepdims=True)
    given = answers[random.integers(80, size=400)].astype(np.float32)
    fitted = fit_vector(given + random.normal(scale=3e-8, size=given.shape), seed=1)
    beside = [
        fitted.apply((answers + random.normal(scale=3e-8, size=answers.shape)).astype(np.float32)) for _ in range(20)
    ]

    parted = [(np.abs(features - beside[0]).max(axis=1) > 1e-4).mean() for features in beside]
    assert max(parted) <= 0.03
