import numpy as np
import pytest

from detectors.topics import topics, unheard, unit

DIMENSION = 32


def prompts(random: np.random.Generator, counts: list[int]) -> np.ndarray:
    """Unit vectors around as many centres; the same centres at every call."""
    centres = unit(np.random.default_rng(5).normal(size=(len(counts), DIMENSION)).astype(np.float32))
    rows = np.repeat(centres, counts, axis=0) + 0.1 * random.normal(size=(sum(counts), DIMENSION))
    return unit(rows.astype(np.float32))


def test_no_two_topics_share_a_cluster_and_none_is_new() -> None:
    random = np.random.default_rng(0)
    found = topics(prompts(random, [100] * 4), prompts(random, [10] * 4))
    home = [set(row) for row in found.before.reshape(4, 100).tolist()]

    assert sum(map(len, home)) == len(set.union(*home))
    assert found.novel not in found.after


def test_a_new_topic_is_set_apart() -> None:
    random = np.random.default_rng(0)
    found = topics(prompts(random, [400] * 4 + [0]), prompts(random, [45] * 4 + [20]))

    assert (found.after[-20:] == found.novel).all()
    assert found.novel not in found.after[:-20]
    assert found.novel not in found.before


def test_nothing_is_new_in_the_same_traffic() -> None:
    random = np.random.default_rng(0)
    runs = [topics(prompts(random, [100] * 4), prompts(random, [50] * 4)) for _ in range(50)]

    assert sum(found.novel in found.after for found in runs) == 0


def test_a_session_that_repeats_itself_is_no_new_topic() -> None:
    random = np.random.default_rng(0)
    rows, after = prompts(random, [200] * 4 + [0]), prompts(random, [50] * 4 + [8])
    alone, together = (topics(rows, after, over_dispersion=spread) for spread in (1.0, 8.0))

    assert alone.novel in alone.after
    assert together.novel not in together.after


def test_a_cluster_is_new_when_hardly_anyone_asked_before_and_chance_does_not_bring_so_many() -> None:
    before, after = np.array([1_000, 990, 10, 0, 0]), np.array([90, 80, 10, 2, 18])

    assert unheard(before, after, 1.0).tolist() == [False, False, True, False, True]
    assert unheard(before, after, 9.0).tolist() == [False] * 5


def test_missing_prompts_are_a_topic_of_their_own() -> None:
    random = np.random.default_rng(0)
    rows, after = prompts(random, [100] * 4), prompts(random, [10] * 4)
    rows[::7], after[3] = np.nan, np.nan
    found = topics(rows, after)

    assert np.flatnonzero(found.before == found.count - 1).tolist() == list(range(0, 400, 7))
    assert np.flatnonzero(found.after == found.count - 1).tolist() == [3]


def test_rows_have_length_one_and_zeros_stay() -> None:
    assert unit(np.array([[3.0, 4.0], [0.0, 0.0]])) == pytest.approx(np.array([[0.6, 0.8], [0.0, 0.0]]))
