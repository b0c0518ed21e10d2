import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from detectors.guarantee import Infeasible, Threshold, at_most_missed, clean_among_passed, upper_bound

DRAWS = 400


def drawn(random: np.random.Generator, count: int):
    """A bad answer with the probability of its own score, squared."""
    values = random.uniform(size=count)
    return values, random.uniform(size=count) < values**2


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.2])
def test_on_average_at_most_alpha_of_the_bad_answers_are_missed(alpha: float) -> None:
    """The law, and that it is not given away: over calibration sets of 60 bad answers and new ones."""
    random = np.random.default_rng(int(1000 * alpha))
    missed = []
    for _ in range(DRAWS):
        values = random.beta(4, 2, 60)
        found = at_most_missed(values, np.ones(60, bool), alpha)
        missed.append((random.beta(4, 2, 500) < found.value).mean())
    assert np.mean(missed) == pytest.approx(np.floor(alpha * 61) / 61, abs=3 * np.std(missed) / np.sqrt(DRAWS) + 1e-3)


@given(st.lists(st.floats(0, 1), max_size=40), st.floats(0.01, 0.5))
def test_too_few_bad_answers_carry_no_guarantee(scores: list[float], alpha: float) -> None:
    values = np.array(scores)
    found = at_most_missed(values, np.ones(len(values), bool), alpha)
    needed = int(np.ceil(1 / alpha - 1e-9)) - 1
    assert isinstance(found, Infeasible) == (len(scores) < needed)
    if isinstance(found, Threshold):
        assert (values < found.value).sum() <= alpha * (len(values) + 1)


def test_of_equal_scores_none_is_missed() -> None:
    assert at_most_missed(np.full(50, 0.5), np.ones(50, bool), 0.2) == Threshold(0.5, 50, 1.0)


def test_the_reason_names_what_is_needed() -> None:
    found = at_most_missed(np.array([0.5, 0.1]), np.array([True, False]), 0.05)
    assert found == Infeasible("missing at most 0.05 needs at least 19 bad answers, got 1")


def test_what_passes_is_clean_as_often_as_promised() -> None:
    """Of answers under t, t²/3 are bad: the share of calibration sets whose threshold breaks 90 % is at most δ."""
    random = np.random.default_rng(4)
    thresholds = []
    for _ in range(DRAWS):
        found = clean_among_passed(*drawn(random, 400), 0.9, delta=0.1)
        if isinstance(found, Threshold):
            thresholds.append(found.value)
    broken = (np.square(thresholds) / 3 > 0.1).sum()
    assert broken <= binom.ppf(0.999, DRAWS, 0.1)
    # Not by passing nothing: the largest threshold allowed is √0.3 = 0.548.
    assert len(thresholds) > 0.9 * DRAWS
    assert np.mean(thresholds) > 0.3


@pytest.mark.parametrize(
    ("values", "bad", "reason"),
    [
        (np.linspace(0, 0.9, 20), np.zeros(20, bool),
         "90% clean needs at least 42 labelled answers with scores below 1, got 20"),
        (np.ones(99), np.zeros(99, bool), "90% clean needs at least 42 labelled answers with scores below 1, got 0"),
        (np.full(90, 0.5), np.arange(90) < 9,
         "too many of the answers with the lowest scores are bad: 9 of 90 and 9 of 90"),
    ],
)  # fmt: skip
def test_what_cannot_be_promised_says_why(values, bad, reason: str) -> None:
    assert clean_among_passed(values, bad, 0.9) == Infeasible(reason)


@given(st.integers(1, 80), st.data())
def test_the_upper_bound_is_where_so_few_become_unlikely(passed: int, data) -> None:
    """Clopper and Pearson's definition: at the bound, seeing so few has probability δ."""
    wrong = data.draw(st.integers(0, passed))
    bound = upper_bound(np.array([wrong]), np.array([passed]), 0.05)[0]
    assert bound == 1.0 if wrong == passed else binom.cdf(wrong, passed, bound) == pytest.approx(0.05, abs=1e-9)
