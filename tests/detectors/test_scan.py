import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom, norm

from detectors.scan import Scan, branches, effective_number, log_of_largest, share_scores, tails


@given(k=st.integers(0, 80), of=st.integers(1, 80), n=st.integers(100, 5_000), m=st.integers(100, 5_000))
def test_rare_shares_have_the_mid_p_value_of_fishers_exact_test(k: int, of: int, n: int, m: int) -> None:
    now = min(k, of)
    law = hypergeom(n + m, of, m)
    above = law.sf(now) + 0.5 * law.pmf(now)
    score = float(share_scores(np.array([float(of - now)]), n, np.array([float(now)]), m)[0])
    assert norm.sf(score) == pytest.approx(above, rel=1e-6, abs=1e-12)


@given(k=st.integers(0, 400), now=st.integers(0, 400))
def test_exchanging_the_sides_turns_the_sign(k: int, now: int) -> None:
    first, second = np.array([float(k)]), np.array([float(now)])
    np.testing.assert_allclose(
        share_scores(first, 400.0, second, 500.0), -share_scores(second, 500.0, first, 400.0), atol=1e-6
    )


def test_common_shares_agree_with_the_exact_test() -> None:
    exact = norm.isf(hypergeom(6_000, 600, 1_000).sf(130) + 0.5 * hypergeom(6_000, 600, 1_000).pmf(130))
    score = float(share_scores(np.array([470.0]), 5_000.0, np.array([130.0]), 1_000.0)[0])
    assert score == pytest.approx(exact, abs=0.05)


def test_branches_are_the_clusters_and_their_unions_in_wards_tree() -> None:
    found = branches(np.array([[0.0], [1.0], [10.0], [12.0]], dtype=np.float32))
    unions = {tuple(np.flatnonzero(column).tolist()) for column in found.T}
    assert unions == {(0,), (1,), (2,), (3,), (0, 1), (2, 3)}
    np.testing.assert_array_equal(branches(np.zeros((1, 3), dtype=np.float32)), [[1.0]])


def test_tails_leave_out_ever_more_of_the_first_cells() -> None:
    np.testing.assert_array_equal(tails(3).T, [[0, 1, 1], [0, 0, 1]])


def test_independent_columns_count_each_and_copies_once() -> None:
    columns = np.random.default_rng(0).normal(size=(20_000, 5)).astype(np.float32)
    assert effective_number(columns) == pytest.approx(5.0, abs=0.1)
    assert effective_number(columns[:, [0, 0, 0, 0]]) == pytest.approx(1.0, abs=1e-4)
    assert effective_number(np.ones((10, 3), dtype=np.float32)) == 1.0


def test_one_large_score_of_many_is_as_surprising_as_sidak_says() -> None:
    scores = np.array([0.1, -3.0, 0.5])
    assert np.exp(log_of_largest(scores, 10.0)) == pytest.approx(1.0 - (1.0 - 2.0 * norm.sf(3.0)) ** 10, rel=1e-9)


def test_a_topic_that_grows_is_found_and_named() -> None:
    centroids = np.array([[0.0], [1.0], [10.0], [12.0]], dtype=np.float32)
    scan = Scan(branches(centroids), 6.0)
    before, now = np.array([250.0, 250, 250, 250]), np.array([20.0, 20, 30, 130])
    scores = scan.scores(before, now)
    assert scan.log_p(scores) < np.log(1e-6)
    np.testing.assert_allclose(scan.direction(scores), [0.0, 0.0, 0.0, 1.0])
