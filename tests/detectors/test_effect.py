import numpy as np
import pytest
from scipy import stats

from detectors.base import Sum, summarise
from detectors.effect import contributions, effect, mmd2, psi
from detectors.reference import fit


def test_psi_is_the_sum_of_both_relative_entropies() -> None:
    before, now = np.array([10.0, 20.0, 70.0]), np.array([30.0, 30.0, 40.0])
    expected = stats.entropy(before, now) + stats.entropy(now, before)
    assert psi(before, now) == pytest.approx(expected)


def test_an_empty_bin_costs_finitely() -> None:
    # Shares (.995, .005) against (.5, .5) once the empty bin counts as half a trace of 100.
    expected = (0.5 - 0.5 / 100.5) * np.log(0.5 / (0.5 / 100.5)) + (0.5 - 100 / 100.5) * np.log(0.5 / (100 / 100.5))
    assert psi(np.array([100.0, 0.0]), np.array([50.0, 50.0])) == pytest.approx(expected)


def test_a_bin_empty_in_both_costs_nothing() -> None:
    assert psi(np.array([5.0, 0.0, 5.0]), np.array([50.0, 0.0, 50.0])) == 0.0


def test_a_scalar_tells_its_means_in_native_units() -> None:
    random = np.random.default_rng(0)
    before, after = random.gamma(2.0, 100.0, size=4_000), random.gamma(2.0, 300.0, size=2_000)
    after[:500] = np.nan
    stack, references = fit({"tokens": before}, {"tokens": "scalar"}, seed=0)
    told = effect(stack.maps["tokens"], references["tokens"], summarise(stack.apply({"tokens": after})))
    assert told.kind == "psi"
    assert told.reference == pytest.approx(before.mean(), rel=1e-5)
    assert told.now == pytest.approx(np.nanmean(after), rel=1e-5)
    assert told.missing_now == 0.25
    assert told.distance == pytest.approx(stats.ks_2samp(before, after[500:]).statistic, abs=0.03)
    assert told.value > 0.5


def test_the_same_traffic_has_no_effect() -> None:
    values = np.random.default_rng(0).normal(size=3_200)
    stack, references = fit({"x": values}, {"x": "scalar"}, seed=0)
    told = effect(stack.maps["x"], references["x"], summarise(stack.apply({"x": values})))
    assert told.value == pytest.approx(0.0, abs=1e-9)
    assert told.distance == pytest.approx(0.0, abs=1e-6)


def test_a_category_tells_how_much_traffic_changed_label() -> None:
    stack, references = fit({"k": ["a", "b"] * 600}, {"k": "category"}, seed=0)
    before = references["k"].mean
    told = effect(stack.maps["k"], references["k"], summarise(stack.apply({"k": ["a"] * 50 + ["c"] * 50})))
    assert told.kind == "total_variation"
    assert told.value == pytest.approx(0.5 * (abs(0.5 - before[0]) + before[1] + 0.5))


def test_mmd_is_unbiased() -> None:
    random = np.random.default_rng(0)
    stack, references = fit({"v": random.normal(size=(3_000, 8))}, {"v": "vector"}, seed=0)
    same = [
        mmd2(stack.maps["v"], references["v"], summarise(stack.apply({"v": random.normal(size=(64, 8))})))
        for _ in range(200)
    ]
    error = np.std(same) / np.sqrt(200)
    assert abs(np.mean(same)) < 3 * error
    shifted = mmd2(
        stack.maps["v"], references["v"], summarise(stack.apply({"v": random.normal(1.0, 1.0, size=(64, 8))}))
    )
    assert shifted > 20 * np.std(same)


def test_no_traces_have_no_effect() -> None:
    stack, references = fit({"x": np.arange(10.0)}, {"x": "scalar"}, seed=0)
    told = effect(stack.maps["x"], references["x"], Sum.zero(stack.size))
    assert np.isnan(told.value)
    assert told.now is None


def test_contributions_of_the_parts_add_to_the_shift_of_the_whole() -> None:
    random = np.random.default_rng(0)
    stack, references = fit({"x": random.normal(size=2_000)}, {"x": "scalar"}, seed=0)
    parts = {
        "old": summarise(stack.apply({"x": random.normal(size=300)})),
        "new": summarise(stack.apply({"x": random.normal(2.0, 1.0, size=100)})),
    }
    total = parts["old"] + parts["new"]
    direction = np.zeros(stack.size)
    direction[-4] = 1.0  # the normal score
    told = contributions(direction, references["x"], parts, total)
    assert sum(told.values()) == pytest.approx(direction @ (total.mean - references["x"].mean))
    assert told["new"] == pytest.approx(0.25 * 2.0, abs=0.15)
    assert abs(told["old"]) < 0.1
