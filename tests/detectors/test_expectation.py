import numpy as np
import pytest

from detectors.expectation import Residuals, bases, prepared, residuals
from detectors.topics import unit
from tests.detectors.expected import expected

TOPICS = np.array([0.0, 1.0, 2.0, 3.0])


def asked(random: np.random.Generator, n: int) -> np.ndarray:
    """Prompts spread over the half sphere."""
    return unit(random.normal(size=(n, 3)) + np.array([1.0, 0.0, 0.0]))


def of_prompts(values: np.ndarray, prompts: np.ndarray, after: np.ndarray) -> Residuals:
    one = np.zeros(len(values), dtype=np.int64)
    fits = prepared(prompts, one, one, after=after, foreign=one > 0)
    return residuals(values, fits, after, reach=1.0, over_dispersion=1.0)


def test_what_a_topic_lets_one_expect_is_its_mean_before() -> None:
    random = np.random.default_rng(0)
    cells, after = random.integers(0, 4, 3_000), np.arange(3_000) >= 2_000
    found = expected(TOPICS[cells] + 0.5 * after + 0.1 * random.normal(size=3_000), cells, after)

    assert [found.values[after & (cells == cell)].mean() for cell in range(4)] == pytest.approx([0.5] * 4, abs=0.03)
    assert found.values[~after].mean() == pytest.approx(0.0, abs=1e-9)


def test_of_the_foreign_nothing_is_expected_and_nothing_doubted() -> None:
    random = np.random.default_rng(0)
    cells, after = np.where(np.arange(300) < 280, 0, 4), np.arange(300) >= 200
    found = expected(random.normal(size=300) + 5.0 * (cells == 4), cells, after, foreign=cells == 4)

    assert not found.values[280:].any()
    assert not found.doubt[280:].any()
    assert found.values[:280].all()


def test_a_change_of_mix_within_a_topic_is_expected_of_the_prompts() -> None:
    """Prompts lean to one side after, and values follow them: what moves by 0.45 is expected but for a tenth of it."""
    random = np.random.default_rng(0)
    before, later = asked(random, 1_500), asked(random, 3_000)
    later = later[later[:, 1] > 0.0]
    prompts, after = np.concatenate([before, later]), np.arange(1_500 + len(later)) >= 1_500
    values = np.tanh(2.0 * prompts[:, 1]) + 0.3 * random.normal(size=len(prompts))
    found = of_prompts(values, prompts, after)

    assert values[after].mean() - values[~after].mean() > 0.45
    assert found.values[after].mean() == pytest.approx(0.0, abs=0.045)


def test_values_without_a_pattern_take_nothing_from_the_prompts() -> None:
    random = np.random.default_rng(1)
    prompts, after = asked(random, 1_200), np.arange(1_200) >= 800
    values = random.normal(size=1_200)
    found = of_prompts(values, prompts, after)
    kept = np.corrcoef(found.values, values)[0, 1]

    assert kept > 0.98


def test_the_doubt_is_as_large_as_the_error_of_what_is_expected() -> None:
    """Of fresh worlds whose topics' means are drawn as the prior has it, the mean error is within its doubt."""
    ratios = []
    for seed in range(300):
        random = np.random.default_rng(seed)
        cells = np.concatenate([random.integers(0, 6, 90), np.full(60, 2)])
        after = np.arange(150) >= 90
        means = random.normal(size=6)
        found = expected(means[cells] + random.normal(size=150), cells, after)
        weights = np.where(after, 1.0 / 60, -1.0 / 90)
        error = np.sqrt(((found.doubt.T @ weights) ** 2).sum() + 1.0 / 60 + 1.0 / 90)
        ratios.append(weights @ found.values / error)

    assert np.std(ratios) == pytest.approx(1.0, abs=0.15)
    assert np.mean(ratios) == pytest.approx(0.0, abs=0.2)


def test_prompts_that_are_missing_are_known_by_their_topic() -> None:
    random = np.random.default_rng(0)
    prompts, topics = asked(random, 400), np.arange(400) % 2
    prompts[::5] = np.nan

    assert all(np.isfinite(basis).all() for basis in bases(prompts, topics, np.arange(400) < 300))
    assert [basis.shape for basis in bases(None, topics, np.arange(400) < 300)] == [(400, 2)]
