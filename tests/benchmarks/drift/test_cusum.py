import numpy as np
import pytest

from benchmarks.drift import cusum
from benchmarks.drift.laws import SCALARS, Change, Continuous, Discrete

NORMAL = Continuous("normal")


def test_the_threshold_of_a_normal_shift_is_that_of_siegmund() -> None:
    # Two-sided at δ = 1: each side has twice the run length, and its own mean run length is
    # (exp(2kb) − 1 − 2kb) / (2k²) with k = ½, b = h + 1.166 in standard deviations (Siegmund 1985), here h / δ.
    found = cusum.log_threshold(NORMAL, Change("shift", 1.0), 10_000.0, seed=(0,))
    span = found + 1.166
    assert (np.exp(span) - 1.0 - span) / 0.5 == pytest.approx(20_000.0, rel=0.15)


def test_the_delay_of_a_normal_shift_is_that_of_siegmund() -> None:
    threshold = cusum.log_threshold(NORMAL, Change("shift", 1.0), 10_000.0, seed=(0,))
    delays = cusum.delays(NORMAL, Change("shift", 1.0), threshold, limit=200, seed=(1,))
    span = threshold + 1.166
    # From zero; here the CUSUM has been running, so it is a little ahead.
    from_zero = (np.exp(-span) - 1.0 + span) / 0.5
    assert from_zero - 2.0 < delays.mean() < from_zero


def test_a_new_value_is_noticed_when_it_first_comes() -> None:
    law = next(law for law in SCALARS if law.name == "20 categories")
    assert isinstance(law, Discrete)
    novel = Change("novel", 0.1)
    threshold = cusum.log_threshold(law, novel, 1e4, seed=(0,))
    assert cusum.delays(law, novel, threshold, limit=300, seed=(1,)).mean() == pytest.approx(10.0, abs=1.0)
