import numpy as np
import pytest

from detectors.witness import folds, leaning, witness


def test_the_traces_of_a_session_share_a_fold_and_folds_are_even() -> None:
    found = folds(np.array([7, 7, 3, 9, 9, 12]))

    assert found.tolist() == [1, 1, 0, 0, 0, 1]


def test_the_size_of_a_change_is_told_without_bias_by_the_search_for_it() -> None:
    """Along a direction chosen from all traces, no change at all looks like one of 0.7 standard deviations."""
    random = np.random.default_rng(0)
    crossed, naive = [], []
    for _ in range(300):
        before, after = random.normal(size=(400, 50)), random.normal(size=(100, 50))
        first, second = witness(before, after, np.arange(400) % 2, np.arange(100) % 2)
        crossed.append(second.mean() - first.mean())
        direction = leaning(before, after.mean(axis=0) - before.mean(axis=0))
        places = (after @ direction).mean() - (before @ direction).mean()
        naive.append(places / (before @ direction).std())

    assert np.mean(naive) > 0.6
    assert abs(np.mean(crossed)) < 3 * np.std(crossed) / np.sqrt(300)


def test_a_planted_change_has_its_size_in_standard_deviations() -> None:
    random = np.random.default_rng(0)
    before, after = random.normal(size=(2_000, 20)), random.normal(size=(2_000, 20))
    after[:, 3] += 2.0
    first, second = witness(before, after, np.arange(2_000) % 2, np.arange(2_000) % 2)

    assert second.mean() - first.mean() == pytest.approx(2.0, abs=0.1)
    assert first.std() == pytest.approx(1.0, abs=0.05)


def test_what_never_varies_and_never_moves_has_no_place() -> None:
    first, second = witness(np.ones((10, 3)), np.ones((6, 3)), np.arange(10) % 2, np.arange(6) % 2)

    assert not first.any()
    assert not second.any()


def test_a_single_session_can_not_be_measured_by_others() -> None:
    random = np.random.default_rng(0)
    before, after = random.normal(size=(10, 3)), random.normal(size=(6, 3))
    first, second = witness(before, after, np.arange(10) % 2, np.zeros(6, dtype=np.int64))

    assert second.tolist() == [0.0] * 6  # no other fold chooses a direction for it
    assert first.any()
