import numpy as np
import pytest

from benchmarks.drift.runlength import RunLength, first_passage, first_run_length, reaching


def test_a_mean_run_length_is_panes_over_alarms_within_its_poisson_interval() -> None:
    found = RunLength(panes=1_000, alarms=10)
    assert found.mean == 100.0
    # 10 events: 4.795 to 18.390, Garwood 1936.
    assert found.interval == pytest.approx((1_000 / 18.390, 1_000 / 4.795), rel=1e-3)
    assert RunLength(panes=1_000, alarms=0).interval == (pytest.approx(1_000 / 3.689, rel=1e-3), float("inf"))


def test_first_passage_counts_equality() -> None:
    assert first_passage(np.array([0.0, 1.0, 2.0]), 1.0) == 1
    assert first_passage(np.array([0.0, 1.0, 2.0]), 3.0) is None


def test_a_path_that_never_passes_is_at_risk_to_its_end() -> None:
    maxima = [np.array([0.0, 2.0, 2.0]), np.array([0.0, 0.0, 0.0])]
    assert first_run_length(maxima, 1.0) == RunLength(panes=5, alarms=1)


def test_the_threshold_of_a_run_length_gives_it() -> None:
    # Independent uniform panes pass 1 − 1/p with run length p.
    random = np.random.default_rng(0)
    threshold = reaching([random.random(500) for _ in range(400)], 100.0)
    assert threshold == pytest.approx(0.99, abs=0.002)
