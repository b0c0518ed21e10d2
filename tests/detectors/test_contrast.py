import numpy as np
import pytest

from detectors.contrast import Contrast, contrast
from tests.detectors.expected import expected

TOPICS = np.array([0.0, 1.0, 2.0, 3.0])


def drawn(random: np.random.Generator, *, effect: float, common: float, n: int = 400, m: int = 120) -> Contrast:
    """Four topics; after, half the traces have the value: they move by ``effect``, and all by ``common``."""
    cells = random.integers(0, 4, n + m)
    after = np.arange(n + m) >= n
    column = np.where(after, random.random(n + m) < 0.5, False).astype(float)
    values = TOPICS[cells] + random.normal(size=n + m) + effect * column + common * after
    found = expected(values, cells, after)
    return contrast(found, np.column_stack([column, after.astype(float)]))


def test_contributions_and_what_is_left_add_to_the_shift_of_the_residuals() -> None:
    random = np.random.default_rng(0)
    cells, after = random.integers(0, 4, 300), np.arange(300) >= 200
    columns = (random.random((300, 2)) < 0.3).astype(float)
    found = expected(random.normal(size=300), cells, after)
    told = contrast(found, columns)

    shift = found.values[after].mean() - found.values[~after].mean()
    assert told.contributions.sum() + told.left == pytest.approx(shift)


def test_a_value_is_told_from_what_all_have_in_common() -> None:
    told = [drawn(np.random.default_rng(seed), effect=1.0, common=0.5) for seed in range(100)]

    assert np.mean([each.coefficients for each in told], axis=0) == pytest.approx([1.0, 0.5], abs=0.06)


@pytest.mark.parametrize("place", [0, 1])
def test_p_values_are_uniform_when_nothing_changed(place: int) -> None:
    random = np.random.default_rng(place)
    p_values = np.array([drawn(random, effect=0.0, common=0.0).p_values[place] for _ in range(1_500)])

    for level in (0.01, 0.05, 0.25, 0.5):
        error = np.sqrt(level * (1 - level) / len(p_values))
        assert (p_values < level).mean() == pytest.approx(level, abs=3.5 * error)


def test_the_topics_own_error_is_counted() -> None:
    """With as many traces after as before, half the error of a change comes from the topics' means."""
    random = np.random.default_rng(0)
    p_values = np.array([drawn(random, effect=0.0, common=0.0, n=100, m=400).p_values[1] for _ in range(1_000)])

    assert (p_values < 0.05).mean() == pytest.approx(0.05, abs=0.03)


def test_over_dispersion_widens_the_errors() -> None:
    random = np.random.default_rng(0)
    cells, after = random.integers(0, 4, 600), np.arange(600) >= 400
    values = random.normal(size=600) + 0.3 * after
    column = after.astype(float)[:, None]
    plain, wide = (contrast(expected(values, cells, after, over_dispersion=o), column).p_values[0] for o in (1.0, 9.0))

    assert plain < 0.01
    assert wide > 0.2
