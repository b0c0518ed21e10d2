import numpy as np
import pytest
from scipy.stats import kstest

from benchmarks.drift.traffic import DAY, KINDS, Autoregressive, Daily, Independent, Latents, Sticky, Traffic


def drawn(traffic: Traffic, blocks: int, *, block: int = 4_096, seed: int = 0) -> Latents:
    stream = traffic.latents(np.random.default_rng(seed), block)
    parts = [next(stream) for _ in range(blocks)]
    return Latents(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("topic", "level", "session", "day"))
    )


@pytest.mark.parametrize("traffic", KINDS, ids=lambda traffic: traffic.name)
def test_the_same_seed_gives_the_same_traffic(traffic: Traffic) -> None:
    once, again, other = (drawn(traffic, 2, block=100, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(once.level, again.level)
    assert not np.array_equal(once.level, other.level)


@pytest.mark.parametrize("traffic", [Independent(), Sticky(), Autoregressive()], ids=lambda traffic: traffic.name)
def test_margins_are_standard_normal(traffic: Traffic) -> None:
    found = drawn(traffic, 50)
    # Far enough apart to be as good as independent.
    assert kstest(found.topic[::200], "norm").pvalue > 0.01
    assert kstest(found.level[::200], "norm").pvalue > 0.01


def test_sessions_hold_eight_traces_on_average_over_block_ends() -> None:
    found = drawn(Sticky(), 200, block=64)
    lengths = np.unique(found.session, return_counts=True)[1]
    assert lengths.mean() == pytest.approx(8.0, rel=0.1)
    assert lengths.var() == pytest.approx(56.0, rel=0.25)  # (1 − p) / p² of a geometric number with p = 1/8


def test_a_session_keeps_its_topic_and_half_of_its_level() -> None:
    found = drawn(Sticky(), 20, block=500)
    order = np.argsort(found.session, kind="stable")
    same = np.diff(found.session[order]) == 0
    assert np.all(np.diff(found.topic[order])[same] == 0.0)
    first, second = found.level[order][:-1][same], found.level[order][1:][same]
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.5, abs=0.05)


def test_sessions_overlap() -> None:
    found = drawn(Sticky(), 1)
    assert np.mean(np.diff(found.session) == 0) < 0.3


def test_neighbours_of_the_autoregressive_traffic_have_its_correlation_over_block_ends() -> None:
    found = drawn(Autoregressive(rho=0.8), 2_000, block=10)
    assert np.corrcoef(found.level[:-1], found.level[1:])[0, 1] == pytest.approx(0.8, abs=0.02)


def test_the_daily_cycle_peaks_after_a_quarter_day() -> None:
    found = drawn(Daily(swing=0.5), 40, block=DAY)
    hour = (found.day % 1.0 * 20).astype(int)
    by_hour = np.bincount(hour, found.level) / np.bincount(hour)
    assert by_hour[4:6].mean() == pytest.approx(0.5, abs=0.05)
    assert by_hour[14:16].mean() == pytest.approx(-0.5, abs=0.05)
