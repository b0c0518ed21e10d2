import numpy as np
import pytest
from scipy.signal import lfilter

from detectors.base import View
from detectors.dispersion import dispersion

VIEWS = (View("all", 0, 3, (1.0,), 1.0),)
HALF_LIVES = np.array([16.0, 64.0, 256.0, 4_096.0])


def of(rows: np.ndarray, *, pane: int = 16) -> np.ndarray:
    return dispersion(
        rows, np.arange(len(rows)) // pane, views=VIEWS, half_lives=HALF_LIVES, variances=rows.var(axis=0)
    )


def test_independent_traces_have_none() -> None:
    found = [of(np.random.default_rng(seed).normal(size=(6_400, 3))) for seed in range(20)]
    assert np.mean([(ratio == 1.0).all() for ratio in found]) >= 0.7
    assert max(ratio.max() for ratio in found) < 1.6


def test_runs_of_equal_traces_disperse_by_their_length() -> None:
    runs = np.repeat(np.random.default_rng(0).normal(size=(2_000, 3)), 8, axis=0)
    np.testing.assert_allclose(of(runs)[1], 8.0, rtol=0.3)


def test_it_is_told_by_axis_where_only_the_leading_one_hangs_together() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(16_000, 3))
    rows[:, 0] = 4.0 * np.repeat(random.normal(size=2_000), 8)
    found = of(rows)[1]
    assert 6.0 < found[0] < 10.0
    np.testing.assert_array_less(found[1:], 1.3)


def test_a_memory_too_long_to_measure_takes_what_the_two_before_it_point_to() -> None:
    random = np.random.default_rng(0)
    alike = lfilter([0.1], [1.0, -0.9], random.normal(size=(2, 6_400)), axis=1)
    short, long = of(alike[:1].T.repeat(3, axis=1)[:2_000]), of(alike.reshape(-1, 1).repeat(3, axis=1))
    assert long[3].mean() == pytest.approx(19.0, rel=0.4)  # (1 + ρ) / (1 − ρ)
    assert long[3].mean() == pytest.approx(short[3].mean(), rel=0.6)


def test_a_handful_of_panes_says_nothing() -> None:
    np.testing.assert_array_equal(of(np.repeat(np.eye(3), 40, axis=0)[:96]), 1.0)
