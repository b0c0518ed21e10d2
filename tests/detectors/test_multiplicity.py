import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import false_discovery_control

from detectors.multiplicity import benjamini_hochberg, log_e, log_of_any, log_of_best

LOG_PS = st.floats(-600.0, 0.0)


def test_an_e_value_of_a_uniform_p_value_has_mean_one() -> None:
    mean, _ = quad(lambda u: np.exp(log_e(-u) - u), 0.0, 5_000.0, limit=500)  # u = −ln p; 1/u² is left beyond
    assert mean == pytest.approx(1.0 - 1.0 / 5_000.0, abs=1e-5)


@pytest.mark.parametrize("p", [1e-12, 1e-3, 0.05, 0.5, 0.999, 0.9991])
def test_the_e_value_is_the_mean_of_all_power_calibrators(p: float) -> None:
    mean, _ = quad(lambda k: k * p ** (k - 1.0), 0.0, 1.0)
    assert np.exp(log_e(np.log(p))) == pytest.approx(mean, rel=1e-6)


@given(log_p=LOG_PS, step=st.floats(1e-3, 50.0))
def test_a_smaller_p_value_is_more_evidence(log_p: float, step: float) -> None:
    assert log_e(log_p - step) > log_e(log_p)


@given(log_p=LOG_PS, trials=st.floats(1.0, 500.0))
def test_the_best_of_more_trials_is_less_surprising(log_p: float, trials: float) -> None:
    assert log_p - 1e-9 <= log_of_any(log_p, trials) <= min(log_p + np.log(trials), 0.0) + 1e-9


def test_the_best_of_independent_p_values_is_uniform() -> None:
    random = np.random.default_rng(0)
    weights = {"a": 0.6, "b": 0.3, "c": 0.1}
    drawn = np.log(random.uniform(size=(20_000, 3)))
    best = [log_of_best(dict(zip(weights, row, strict=True)), weights) for row in drawn.tolist()]
    for level in (0.01, 0.05, 0.3, 0.7):
        assert np.mean(np.array(best) <= np.log(level)) == pytest.approx(level, abs=4 * np.sqrt(level / 20_000))


def test_a_tiny_p_value_keeps_its_digits() -> None:
    assert log_of_best({"a": -500.0, "b": -1.0}, {"a": 0.5, "b": 0.5}) == pytest.approx(-500.0 + np.log(2.0))


def test_adjusted_p_values_reject_what_the_step_up_procedure_rejects() -> None:
    p = np.random.default_rng(0).uniform(size=50) ** 3
    adjusted = np.exp(benjamini_hochberg(np.log(p)))
    np.testing.assert_allclose(adjusted, false_discovery_control(p))
    ordered = np.sort(p)
    passing = np.flatnonzero(ordered <= 0.1 * np.arange(1, 51) / 50)
    limit = ordered[passing.max()]
    np.testing.assert_array_equal(adjusted <= 0.1, p <= limit)
    assert len(benjamini_hochberg(np.zeros(0))) == 0
