from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.drift import offline, oracle
from benchmarks.drift.laws import Change, Topics
from benchmarks.drift.oracle import Bench
from benchmarks.drift.streams import sample
from benchmarks.drift.traffic import Independent

LAW = Topics(dimension=24, topics=4)
NOVEL = Change("novel", 0.1)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return oracle.prepare(LAW, references=6, null_traces=20_000, step=8, seed=(1,))


@pytest.fixture(scope="module")
def toward(bench: Bench) -> Sequence[np.ndarray]:
    return oracle.directions(bench, NOVEL, traces=8_000, seed=(2,))


def test_the_level_of_every_test_holds_on_references_and_windows_it_has_not_seen(
    bench: Bench, toward: Sequence[np.ndarray]
) -> None:
    limits = oracle.critical(bench, toward, 200, 0.05)
    fresh = oracle.prepare(LAW, references=6, null_traces=40_000, step=100, seed=(3,))
    along = oracle.directions(fresh, NOVEL, traces=8_000, seed=(2,))
    told = np.concatenate(
        [
            oracle.statistics(fitted, fresh.null_shifts(number, 200), along[number])
            for number, fitted in enumerate(fresh.features)
        ]
    )
    # About 1,200 windows, but of six references only.
    assert (told >= limits).mean(axis=0) == pytest.approx(np.full(len(oracle.TESTS), 0.05), abs=0.04)


def test_far_out_the_critical_value_is_no_less_than_null_windows_show(
    bench: Bench, toward: Sequence[np.ndarray]
) -> None:
    usual, rare = (oracle.critical(bench, toward, 200, level) for level in (0.05, 1e-4))
    shown = np.max(
        [oracle.statistics(f, bench.null_shifts(i, 200), toward[i]).max(axis=0) for i, f in enumerate(bench.features)],
        axis=0,
    )
    assert np.all(rare >= shown)
    assert np.all(rare > usual)


def test_a_weighted_sum_of_squares_has_the_quantiles_of_its_simulation() -> None:
    variances = np.array([4.0, 1.0, 1.0, 0.25])
    drawn = (np.random.default_rng(0).standard_normal((400_000, 4)) ** 2) @ variances
    for level in (0.05, 1e-3):
        expected = np.quantile(drawn, 1.0 - level)
        assert oracle._quadratic_quantile(np.diag(variances), level) == pytest.approx(expected, rel=0.03)


def test_the_spread_finds_a_shrinking_scale_and_the_told_direction_finds_every_change(bench: Bench) -> None:
    found = offline.power(bench, Change("spread", 0.8), 200, level=0.05, replicates=4, seed=(4,))
    assert found["spread"] > 0.9
    found = offline.power(bench, NOVEL, 200, level=0.05, replicates=4, seed=(5,))
    assert found[oracle.DIRECTED] > 0.9


def test_a_rarer_level_needs_more_traces(bench: Bench) -> None:
    usual, rare = (
        offline.delays(bench, Change("mix", 0.2), level=level, replicates=2, seed=(6,)) for level in (0.05, 1e-4)
    )
    assert usual["MMD"] < rare["MMD"] < np.inf


def test_the_features_of_the_reference_are_not_looked_at_through_their_own_fit() -> None:
    reference = sample(LAW, Independent(), 5_000, seed=(7, 0)).column
    fitted = oracle.fit(reference, seed=0)
    later = fitted.apply(sample(LAW, Independent(), 20_000, seed=(7, 1)).column).mean(axis=0)
    spread = fitted.parts[3]
    assert later[spread] == pytest.approx(fitted.mean[spread], rel=0.01)
