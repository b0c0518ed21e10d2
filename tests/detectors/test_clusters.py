import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.clusters import fit_clusters, nearest

CENTRES = np.eye(8, dtype=np.float32) * 10.0


def topics(random: np.random.Generator, n: int, *, of: int = 8) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    topic = random.integers(0, of, n)
    return (CENTRES[topic] + random.normal(size=(n, 8))).astype(np.float32), topic


def test_well_separated_topics_become_the_clusters() -> None:
    x, topic = topics(np.random.default_rng(0), 800)
    fitted = fit_clusters(x, clusters=8, seed=1)
    cluster, _ = fitted.place(x)
    assert len({(t, c) for t, c in zip(topic.tolist(), cluster.tolist(), strict=True)}) == 8
    order = [int(cluster[topic == t][0]) for t in range(8)]
    np.testing.assert_allclose(fitted.centroids[order], CENTRES, atol=0.5)


def test_a_vector_is_about_as_far_as_its_cluster_and_a_new_topic_much_farther() -> None:
    random = np.random.default_rng(0)
    x, _ = topics(random, 1_000, of=7)
    fitted = fit_clusters(x, clusters=7, seed=1)
    new = (CENTRES[7] + random.normal(size=(50, 8))).astype(np.float32)
    assert fitted.place(x)[1].mean() == pytest.approx(1.0, abs=0.05)
    assert fitted.place(new)[1].min() > fitted.place(x)[1].max()


def test_the_nearest_centroid_is_that_of_the_smallest_distance() -> None:
    random = np.random.default_rng(0)
    rows, centroids = random.normal(size=(40, 5)).astype("f"), random.normal(size=(6, 5)).astype("f")
    apart = ((rows[:, None] - centroids) ** 2).sum(axis=2)
    cluster, distance = nearest(rows, centroids)
    np.testing.assert_array_equal(cluster, apart.argmin(axis=1))
    np.testing.assert_allclose(distance, apart.min(axis=1), atol=1e-4)


def test_the_same_seed_gives_the_same_clusters() -> None:
    x, _ = topics(np.random.default_rng(0), 500)
    first, again, other = (fit_clusters(x, clusters=20, seed=seed).centroids for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("rows", [np.zeros((1, 5)), np.ones((99, 5))])
def test_rows_without_any_spread_are_one_cluster(rows: NDArray[np.float64]) -> None:
    fitted = fit_clusters(rows, seed=0)
    cluster, distance = fitted.place(np.ones((2, 5), dtype=np.float32))
    assert len(fitted) == 1
    np.testing.assert_array_equal(cluster, 0)
    assert np.isfinite(distance).all()
