import numpy as np
import pytest

from detectors.cause import Period, growth


def period(**counts: int) -> Period:
    """Traces of builds, so many of each."""
    builds = np.repeat(list(counts), list(counts.values()))
    n = len(builds)
    return Period(np.zeros((n, 1)), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64), {"build": builds})


def grown(before: Period, after: Period, over_dispersion: float = 1.0) -> dict[str, tuple[float, float]]:
    return growth(before, after, "build", over_dispersion=over_dispersion)


def test_a_value_that_comes_has_grown_and_what_it_displaces_has_not() -> None:
    assert grown(period(a=1000), period(a=60, b=40)) == {"b": (0.0, 0.4)}
    assert grown(period(a=1000), period(b=100)) == {"b": (0.0, 1.0)}


def test_a_value_that_gains_share_has_grown() -> None:
    found = grown(period(a=900, b=100), period(a=100, b=100))

    assert found == {"b": (pytest.approx(0.1), pytest.approx(0.5))}


def test_a_few_traces_more_are_chance() -> None:
    assert grown(period(a=900, b=100), period(a=85, b=15)) == {}


def test_less_than_three_in_a_hundred_is_no_growth_however_sure() -> None:
    assert grown(period(a=100_000), period(a=97_500, b=2_500)) == {}
    assert grown(period(a=100_000), period(a=96_500, b=3_500)) == {"b": (0.0, pytest.approx(0.035))}


def test_traces_that_hang_together_count_for_less() -> None:
    before, after = period(a=900, b=100), period(a=75, b=25)

    assert grown(before, after).keys() == {"b"}
    assert grown(before, after, over_dispersion=4.0) == {}
