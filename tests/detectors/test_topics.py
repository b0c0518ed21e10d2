import numpy as np
import pytest

from detectors.topics import remoteness, topics, unit

DIMENSION = 32


def prompts(random: np.random.Generator, counts: list[int]) -> np.ndarray:
    """Unit vectors around as many centres; the same centres at every call."""
    centres = unit(np.random.default_rng(5).normal(size=(len(counts), DIMENSION)).astype(np.float32))
    rows = np.repeat(centres, counts, axis=0) + 0.1 * random.normal(size=(sum(counts), DIMENSION))
    return unit(rows.astype(np.float32))


def test_prompts_of_one_topic_share_one_and_no_topic_is_new() -> None:
    random = np.random.default_rng(0)
    found = topics(prompts(random, [100] * 4), prompts(random, [10] * 4), np.arange(400))
    home = found.before.reshape(4, 100)

    assert found.count == 6 + 2
    assert [len(set(row)) <= 3 for row in home.tolist()] == [True] * 4
    assert all(set(row) <= set(home[i]) for i, row in enumerate(found.after.reshape(4, 10).tolist()))
    assert found.novel not in found.after


def test_a_new_topic_is_set_apart() -> None:
    random = np.random.default_rng(0)
    found = topics(prompts(random, [100] * 4 + [0]), prompts(random, [45] * 4 + [20]), np.arange(400))

    assert (found.after[-20:] == found.novel).all()
    assert (found.after[:-20] == found.novel).sum() <= 6
    assert found.novel not in found.before
    assert found.p_value < 1e-6


def test_nothing_is_new_in_the_same_traffic() -> None:
    random = np.random.default_rng(0)
    runs = [topics(prompts(random, [100] * 4), prompts(random, [50] * 4), np.arange(400)) for _ in range(50)]

    assert sum(found.novel in found.after for found in runs) == 0


def test_sessions_that_repeat_themselves_make_no_prompt_look_far() -> None:
    random = np.random.default_rng(0)
    rows = np.repeat(prompts(random, [25] * 4), 5, axis=0)
    after = np.repeat(prompts(random, [20] * 4), 5, axis=0)
    found = topics(rows, after, np.repeat(np.arange(100), 5), over_dispersion=5.0)

    assert found.novel not in found.after


def test_missing_prompts_are_a_topic_of_their_own() -> None:
    random = np.random.default_rng(0)
    rows, after = prompts(random, [100] * 4), prompts(random, [10] * 4)
    rows[::7], after[3] = np.nan, np.nan
    found = topics(rows, after, np.arange(400))

    assert np.flatnonzero(found.before == found.count - 1).tolist() == list(range(0, 400, 7))
    assert np.flatnonzero(found.after == found.count - 1).tolist() == [3]


def test_few_prompts_are_one_topic() -> None:
    random = np.random.default_rng(0)
    found = topics(prompts(random, [10] * 4), prompts(random, [2] * 4), np.arange(40))

    assert found.count == 3
    assert set(found.before) == set(found.after) == {0}


def test_remoteness_is_the_cosine_distance_of_the_third_nearest_of_other_sessions() -> None:
    others = unit(np.array([[1, 0], [1, 0], [0, 1], [-1, 0], [3, 4]], dtype=np.float32))
    row = np.array([[1, 0]], dtype=np.float32)

    assert remoteness(row, others, np.array([9]), np.arange(5)) == pytest.approx([1 - 0.6])
    assert remoteness(row, others, np.array([0]), np.array([0, 1, 2, 3, 4])) == pytest.approx([1.0])
