import numpy as np
import pytest

from detectors.reference import fit, fit_references, fit_stack
from detectors.replay import Replay, calibrate, level_of, run_length
from detectors.sequential import bank

LONG = Replay(streams=64, panes=250)


def test_a_run_length_is_panes_at_risk_over_alarms() -> None:
    path = np.zeros((10, 4))
    path[3, 0] = path[5, 0] = path[7, 1] = 1.0
    assert run_length(path, 1.0) == (4 + 8 + 10 + 10) / 2


def test_the_level_of_a_run_length_has_that_run_length() -> None:
    path = np.random.default_rng(0).exponential(size=(400, 64))
    assert run_length(path, level_of(path, 50.0)) == pytest.approx(50.0, rel=0.1)


def test_a_replay_sets_the_evidence_so_that_a_threshold_is_its_own_run_length() -> None:
    random = np.random.default_rng(0)
    columns = {"x": random.gamma(2.0, size=3_000), "k": random.choice(["a", "b", "c"], size=3_000).tolist()}
    stack, centring = fit_stack(columns, {"x": "scalar", "k": "category"}, seed=0)
    features = stack.apply(columns)
    references = fit_references(stack, features, centring)
    own = {name: features[rows, stack.slice(name)] for name, rows in centring.items()}
    found = calibrate(references, stack, own, pane=16, random=random, replay=LONG)
    assert found.keys() == references.keys()
    for reference in found.values():
        assert -4.0 < reference.offset < 0.5
        assert 0.8 <= reference.slope <= 1.0
        assert 0.4 < reference.achieved < 2.5


def test_a_signal_that_never_varied_has_no_run_length() -> None:
    random = np.random.default_rng(0)
    columns = {"still": np.full(600, 3.0), "x": random.normal(size=600)}
    stack, references = fit(columns, {"still": "scalar", "x": "scalar"}, seed=0)
    features = stack.apply(columns)
    own = {name: features[:, stack.slice(name)] for name in columns}
    found = calibrate(references, stack, own, pane=16, random=random, replay=Replay(streams=16, panes=100))

    assert np.isnan(found["still"].achieved)
    assert found["x"].achieved > 0.3


def test_the_line_enters_the_evidence() -> None:
    stack, references = fit({"x": np.random.default_rng(0).normal(size=300)}, {"x": "scalar"}, seed=0)
    monitors = bank(stack.maps["x"], [references["x"]])
    assert (monitors.offset[0], monitors.slope[0]) == (references["x"].offset, references["x"].slope)
