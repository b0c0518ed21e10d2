import numpy as np
import pytest

from detectors.witness import folds, leaning, witness


def places(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where traces lie when every second one is in the other fold."""
    found = witness(before, after, np.arange(len(before)) % 2, np.arange(len(after)) % 2)
    return found.before, found.after


def test_the_traces_of_a_session_share_a_fold_and_folds_are_even() -> None:
    found = folds(np.array([7, 7, 3, 9, 9, 12]))

    assert found.tolist() == [1, 1, 0, 0, 0, 1]


def test_the_size_of_a_change_is_told_without_bias_by_the_search_for_it() -> None:
    """Along a direction chosen from all traces, no change at all looks like one of 0.7 standard deviations."""
    random = np.random.default_rng(0)
    crossed, naive = [], []
    for _ in range(300):
        before, after = random.normal(size=(400, 50)), random.normal(size=(100, 50))
        first, second = places(before, after)
        crossed.append(second.mean() - first.mean())
        direction = leaning(before.var(axis=0), after.mean(axis=0) - before.mean(axis=0))
        moved = (after @ direction).mean() - (before @ direction).mean()
        naive.append(moved / (before @ direction).std())

    assert np.mean(naive) > 0.6
    assert abs(np.mean(crossed)) < 3 * np.std(crossed) / np.sqrt(300)


def test_a_planted_change_has_its_size_in_standard_deviations() -> None:
    random = np.random.default_rng(0)
    before, after = random.normal(size=(2_000, 20)), random.normal(size=(2_000, 20))
    after[:, 3] += 2.0
    first, second = places(before, after)

    assert second.mean() - first.mean() == pytest.approx(2.0, abs=0.1)
    assert first.std() == pytest.approx(1.0, abs=0.05)


def test_what_never_varies_and_never_moves_has_no_place() -> None:
    first, second = places(np.ones((10, 3)), np.ones((6, 3)))

    assert not first.any()
    assert not second.any()


def test_a_single_session_can_not_be_measured_by_others() -> None:
    random = np.random.default_rng(0)
    before, after = random.normal(size=(10, 3)), random.normal(size=(6, 3))
    found = witness(before, after, np.arange(10) % 2, np.zeros(6, dtype=np.int64))

    assert found.after.tolist() == [0.0] * 6  # no other fold chooses a direction for it
    assert found.before.any()


def test_a_direction_chosen_among_many_reaches_as_much_further_as_there_is_variance_elsewhere() -> None:
    random = np.random.default_rng(0)
    before, after = random.normal(size=(4_000, 20)), random.normal(size=(2_000, 20))
    after[:, 3] += 2.0
    found = witness(before, after, np.arange(4_000) % 2, np.arange(2_000) % 2)

    assert found.reach == pytest.approx(20.0, rel=0.1)
    alone = witness(before[:, 3:4], after[:, 3:4], np.arange(4_000) % 2, np.arange(2_000) % 2)
    assert alone.reach == pytest.approx(1.0)
