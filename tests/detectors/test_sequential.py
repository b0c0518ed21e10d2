from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from detectors.base import Sum, summarise
from detectors.reference import Kind, Reference, fit
from detectors.sequential import Evidence, advance, start
from detectors.stack import Stack

from .conftest import Columns

PANE = 16
THRESHOLD = 1e4

Fitted = tuple[Stack, dict[str, Reference]]


@pytest.fixture(scope="module")
def fitted(columns: Columns, kinds: dict[str, Kind]) -> Fitted:
    return fit(columns(np.random.default_rng(0), 2_000), kinds, seed=0)


def replay(fitted: Fitted, drawn: dict[str, Any], *, threshold: float = THRESHOLD) -> dict[str, list[Evidence]]:
    """The evidence of each signal after each pane."""
    stack, references = fitted
    features = stack.apply(drawn)
    told: dict[str, list[Evidence]] = {}
    for name, part in stack.slices().items():
        monitor = start(references[name])
        told[name] = []
        for first in range(0, len(features), PANE):
            pane = summarise(features[first : first + PANE, part])
            monitor, evidence = advance(monitor, references[name], pane, threshold=threshold)
            told[name].append(evidence)
    return told


def found_after(told: list[Evidence]) -> float:
    """Traces until the first alarm."""
    panes = next((i for i, evidence in enumerate(told, start=1) if evidence.drifted), None)
    return float("inf") if panes is None else panes * PANE


def scalars(n: int, values: Callable[[np.random.Generator, int], Any], seed: int = 5) -> dict[str, Any]:
    return {"x": values(np.random.default_rng(seed), n)}


def test_no_signal_alarms_while_nothing_changes(fitted: Fitted, columns: Columns) -> None:
    told = replay(fitted, columns(np.random.default_rng(1), 6_400))
    assert {name for name, evidence in told.items() if found_after(evidence) < np.inf} == set()


def test_false_alarms_keep_the_budget_over_many_small_references() -> None:
    # 30 references × 2 signals × 300 panes at one false alarm in 100 panes: at most 180 are allowed for.
    random = np.random.default_rng(2)
    alarms = 0
    for seed in range(30):
        drawn = {"heavy": random.standard_t(2, 100), "rare": (random.random(100) < 0.02).astype(float)}
        fitted = fit(drawn, {"heavy": "scalar", "rare": "scalar"}, seed=seed)
        later = {"heavy": random.standard_t(2, 4_800), "rare": (random.random(4_800) < 0.02).astype(float)}
        told = replay(fitted, later, threshold=100.0)
        alarms += sum(found_after(evidence) < np.inf for evidence in told.values())
    assert alarms <= 3


def test_a_new_topic_in_one_trace_of_five_is_found_within_200_traces(fitted: Fitted, columns: Columns) -> None:
    told = replay(fitted, columns(np.random.default_rng(3), 640, novel=0.2))
    assert found_after(told["embedding"]) <= 200
    assert found_after(told["normal"]) == np.inf


@pytest.mark.parametrize(("shift", "traces"), [(2.0, 48), (1.0, 96), (0.5, 240), (-0.5, 240)])
def test_a_shifted_scalar_is_found(shift: float, traces: int) -> None:
    fitted = fit(scalars(2_000, lambda random, n: random.normal(size=n)), {"x": "scalar"}, seed=0)
    told = replay(fitted, scalars(480, lambda random, n: random.normal(shift, 1.0, size=n), seed=9))["x"]
    assert found_after(told) <= traces


def test_a_wider_scalar_is_found_though_its_mean_stays() -> None:
    fitted = fit(scalars(2_000, lambda random, n: random.normal(size=n)), {"x": "scalar"}, seed=0)
    told = replay(fitted, scalars(800, lambda random, n: random.normal(0.0, 2.0, size=n), seed=9))["x"]
    assert found_after(told) <= 160


def test_a_rate_that_triples_from_one_in_twenty_is_found() -> None:
    fitted = fit({"k": ["refused" if i % 20 == 0 else "stop" for i in range(2_000)]}, {"k": "category"}, seed=0)
    delays = []
    for seed in range(9):
        refused = np.random.default_rng(seed).random(960) < 0.15
        delays.append(found_after(replay(fitted, {"k": np.where(refused, "refused", "stop").tolist()})["k"]))
    assert np.median(delays) <= 320


@pytest.mark.parametrize("name", ["normal", "heavy", "constant", "label", "embedding", "relation"])
def test_a_signal_that_disappears_is_found_within_two_panes(fitted: Fitted, columns: Columns, name: str) -> None:
    drawn = columns(np.random.default_rng(6), 64)
    del drawn[name]
    told = replay(fitted, drawn)
    assert found_after(told[name]) <= 2 * PANE


def test_a_constant_that_changes_is_found_within_two_panes(fitted: Fitted, columns: Columns) -> None:
    drawn = columns(np.random.default_rng(6), 64)
    drawn["constant"] += 1e-6
    assert found_after(replay(fitted, drawn)["constant"]) <= 2 * PANE


def test_an_absent_signal_that_appears_is_found_within_two_panes(fitted: Fitted, columns: Columns) -> None:
    drawn = columns(np.random.default_rng(6), 64)
    drawn["absent"] = np.ones(64)
    assert found_after(replay(fitted, drawn)["absent"]) <= 2 * PANE


def test_runs_of_equal_traces_do_not_alarm_once_the_reference_knows_them() -> None:
    random = np.random.default_rng(7)
    sticky = np.repeat(random.normal(size=500), 8)
    fitted = fit({"x": sticky}, {"x": "scalar"}, seed=0, panes=np.arange(4_000) // 32)
    assert fitted[1]["x"].over_dispersion == pytest.approx(8.0, rel=0.3)
    told = replay(fitted, {"x": np.repeat(random.normal(size=2_000), 8)}, threshold=1e3)
    assert found_after(told["x"]) == np.inf


def test_the_onset_is_the_pane_where_the_change_began() -> None:
    fitted = fit(scalars(2_000, lambda random, n: random.normal(size=n)), {"x": "scalar"}, seed=0)
    random = np.random.default_rng(8)
    drawn = np.concatenate([random.normal(size=800), random.normal(0.7, 1.0, size=320)])
    told = replay(fitted, {"x": drawn})["x"]
    alarm = next(i for i, evidence in enumerate(told) if evidence.drifted)
    assert 50 <= alarm <= 70
    assert abs(alarm - told[alarm].onset_steps + 1 - 50) <= 4


def test_evidence_gives_the_shift_along_its_direction_in_standard_deviations() -> None:
    fitted = fit(scalars(4_000, lambda random, n: random.normal(size=n)), {"x": "scalar"}, seed=0)
    told = replay(fitted, scalars(3_200, lambda random, n: random.normal(0.5, 1.0, size=n)))["x"][-1]
    assert np.linalg.norm(told.direction) == pytest.approx(1.0, rel=1e-5)
    assert told.direction[-1] == 0.0  # the level in native units is not tested
    assert told.effect / told.spread == pytest.approx(0.5, abs=0.08)
    assert told.tolerance < told.effect


def test_a_drift_clears_after_traffic_agrees_again_and_is_found_again() -> None:
    fitted = fit(scalars(2_000, lambda random, n: random.normal(size=n)), {"x": "scalar"}, seed=0)
    random = np.random.default_rng(10)
    away, back = random.normal(1.0, 1.0, size=1_600), random.normal(size=1_600)
    again = random.normal(1.0, 1.0, size=320)
    told = replay(fitted, {"x": np.concatenate([away, back, again])})["x"]
    drifted = np.array([evidence.drifted for evidence in told])
    assert drifted[6:100].all()
    assert not drifted[120:200].any()
    assert drifted[-10:].all()


@pytest.mark.parametrize("novel", [0.15, 0.4])
def test_a_drift_that_lasts_is_reported_once(fitted: Fitted, columns: Columns, novel: float) -> None:
    told = replay(fitted, columns(np.random.default_rng(12), 3_200, novel=novel))["embedding"]
    drifted = np.array([evidence.drifted for evidence in told])
    assert np.diff(drifted.astype(int)).tolist().count(1) == 1
    assert drifted[-1]


def test_an_empty_pane_changes_nothing(fitted: Fitted) -> None:
    reference = fitted[1]["normal"]
    first, told = advance(start(reference), reference, summarise(np.ones((5, 36))), threshold=THRESHOLD)
    after, again = advance(first, reference, Sum.zero(36), threshold=THRESHOLD)
    assert after is first
    assert again.log_e == told.log_e


def test_wealth_stays_finite_however_long_a_drift_lasts(fitted: Fitted, columns: Columns) -> None:
    drawn = columns(np.random.default_rng(6), 1_600)
    drawn["heavy"] = np.full(1_600, 1e9)
    told = replay(fitted, drawn)["heavy"]
    assert told[-1].drifted
    assert np.isfinite([evidence.log_e for evidence in told]).all()
