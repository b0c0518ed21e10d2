"""Laws, null, power and oracle of the comparison of two samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, fisher_exact, ks_2samp, mannwhitneyu, permutation_test

from detectors.twosample import compare_categories, compare_scalars, compare_vectors, missing

SEEDS = st.integers(0, 10_000)


def numbers(seed: int, n: int = 40, m: int = 30) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    before, now = random.standard_exponential(n), random.standard_exponential(m)
    before[random.random(n) < 0.1] = np.nan
    return before.round(1), now.round(1)


@given(seed=SEEDS, factor=st.sampled_from([0.5, 2.0, 1024.0]))
@settings(max_examples=30, deadline=None)
def test_neither_the_unit_nor_the_order_nor_the_side_of_numbers_matters(seed: int, factor: float) -> None:
    before, now = numbers(seed)
    found = compare_scalars(before, now)
    turned = compare_scalars(factor * now[::-1], factor * before[::-1])
    assert turned.log_p == pytest.approx(found.log_p, rel=1e-9, abs=1e-12)


@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_neither_the_order_nor_the_side_nor_the_name_of_labels_matters(seed: int) -> None:
    random = np.random.default_rng(seed)
    before, now = (random.choice(["a", "b", "c", "d"], size=n, p=[0.5, 0.3, 0.15, 0.05]).tolist() for n in (60, 40))
    found = compare_categories(before, now)
    renamed = {"a": "z", "b": "y", "c": None, "d": "w"}
    turned = compare_categories([renamed[label] for label in now[::-1]], [renamed[label] for label in before])
    assert turned.log_p == pytest.approx(found.log_p, rel=1e-9, abs=1e-12)


@given(seed=SEEDS)
@settings(max_examples=10, deadline=None)
def test_neither_the_scale_nor_the_order_nor_the_side_of_vectors_matters(seed: int) -> None:
    before, now = np.random.default_rng(seed).normal(size=(2, 60, 5))
    found = compare_vectors(before, now, seed=1).test
    turned = compare_vectors(4.0 * now[::-1], 4.0 * before, seed=1).test
    assert turned.log_p == pytest.approx(found.log_p, rel=1e-3, abs=1e-3)


def test_the_tests_are_scipys() -> None:
    before, now = numbers(3, 200, 150)
    found = compare_scalars(before, now)
    there = before[~np.isnan(before)]
    middle = np.median(np.concatenate([there, now]))
    expected = {
        "level": mannwhitneyu(there, now, method="asymptotic").pvalue,
        "shape": ks_2samp(there, now, method="asymp").pvalue,
        "spread": mannwhitneyu(abs(there - middle), abs(now - middle), method="asymptotic").pvalue,
        "missing": fisher_exact([[200 - len(there), len(there)], [0, 150]]).pvalue,
    }
    assert {name: np.exp(log_p) for name, log_p in found.log_ps.items()} == pytest.approx(expected)
    labels = compare_categories(["a"] * 50 + ["b"] * 30 + ["c"] * 20, ["a"] * 30 + ["b"] * 30 + ["c"] * 30)
    table = np.array([[50, 30, 20], [30, 30, 30]])
    assert np.exp(labels.log_p) == pytest.approx(chi2_contingency(table, correction=False).pvalue)


def test_rare_labels_are_counted_together() -> None:
    rare = [f"rare {i}" for i in range(10)]
    found = compare_categories(["a"] * 100 + rare, ["a"] * 100)
    assert np.exp(found.log_p) == pytest.approx(fisher_exact([[100, 10], [100, 0]]).pvalue)


def test_a_vectors_p_value_agrees_with_relabelling() -> None:
    random = np.random.default_rng(5)
    before, now = random.normal(size=(70, 6)), random.normal(size=(50, 6)) + 0.27
    found = compare_vectors(before, now, seed=0)
    rows = np.concatenate([found.before, found.now])[:, :6]
    root = found.ruler.mean.root.astype(np.float64)

    def distance(first: np.ndarray, second: np.ndarray, axis: int = 0) -> np.ndarray:
        shift = rows[second].mean(axis=axis) - rows[first].mean(axis=axis)
        return np.asarray(((shift @ root) ** 2).sum(axis=-1))

    exact = permutation_test(
        (np.arange(70), np.arange(70, 120)),
        lambda a, b: distance(a.astype(int), b.astype(int)),
        n_resamples=4_000, alternative="greater", rng=random, vectorized=False,
    )  # fmt: skip
    assert np.exp(found.test.log_ps["mean"]) == pytest.approx(exact.pvalue, rel=0.25)
    assert 0.005 < exact.pvalue < 0.2


@pytest.mark.parametrize("kind", ["continuous", "counts", "constant"])
def test_unchanged_numbers_have_p_below_alpha_in_at_most_alpha_of_all(kind: str) -> None:
    p = []
    for seed in range(600):
        random = np.random.default_rng(seed)
        drawn = {
            "continuous": random.standard_t(3, size=210),
            "counts": random.poisson(0.5, size=210).astype(float),
            "constant": np.full(210, 2.0),
        }[kind]
        p.append(compare_scalars(drawn[:120], drawn[120:]).log_p)
    for level in (0.05, 0.1, 0.4):
        found = float(np.mean(np.array(p) <= np.log(level)))
        assert found <= level + 3.0 * np.sqrt(level / 600)
        assert kind == "constant" or found >= 0.35 * level


def test_unchanged_vectors_have_p_below_alpha_in_about_alpha_of_all() -> None:
    p = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        centres = np.random.default_rng(0).normal(size=(6, 12))
        before, now = (centres[random.integers(0, 6, n)] + random.normal(size=(n, 12)) for n in (90, 60))
        p.append(compare_vectors(before, now, seed=seed).test.log_ps)
    for level in (0.05, 0.2):
        together = float(np.mean([log_ps["mean"] <= np.log(level) for log_ps in p]))
        assert together == pytest.approx(level, abs=3.0 * np.sqrt(level / 200))


@pytest.mark.parametrize("change", ["level", "spread", "missing"])
def test_each_kind_of_change_in_numbers_is_found(change: str) -> None:
    random = np.random.default_rng(8)
    before, now = random.normal(size=400), random.normal(size=300)
    match change:
        case "level":
            now += 0.4
        case "spread":
            now *= 0.6
        case _:
            now[:30] = np.nan
    found = compare_scalars(before, now)
    assert found.log_p < np.log(1e-4)
    assert found.leading == change


def test_a_signal_that_is_gone_is_a_change() -> None:
    found = compare_scalars(np.arange(50.0), np.full(40, np.nan))
    assert list(found.log_ps) == ["missing"]
    assert found.log_p < np.log(1e-12)


def test_missing_on_both_sides_alike_is_no_test_at_all() -> None:
    assert missing(0, 10, 0, 20) == {}
    assert missing(10, 10, 20, 20) == {}
    assert compare_scalars(np.full(9, np.nan), np.full(8, np.nan)).log_p == 0.0
