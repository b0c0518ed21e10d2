"""Each kind of change is found by the test that is there for it, at a stated rate of false alarms."""

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.base import summarise
from detectors.ruler import WEIGHTS, difference, fit_reference_ruler, noise_of

DIMENSION, TOPICS = 48, 8
CENTRES = np.random.default_rng(7).normal(size=(TOPICS + 1, DIMENSION)) / np.sqrt(DIMENSION)
Vectors = NDArray[np.float32]


def drawn(
    random: np.random.Generator, n: int, *, mix: float = 0.0, novel: float = 0.0, scale: float = 1.0, shift: float = 0.0
) -> Vectors:
    topic = random.integers(0, TOPICS, n)
    topic = np.where(random.random(n) < mix, 0, topic)
    topic = np.where(random.random(n) < novel, TOPICS, topic)
    noise = random.normal(size=(n, DIMENSION)) / np.sqrt(DIMENSION)
    return (CENTRES[topic] + scale * noise + shift / np.sqrt(DIMENSION)).astype(np.float32)


CHANGES = {
    "mean": {"shift": 0.25},
    "topics": {"mix": 0.12},
    "novelty": {"novel": 0.06},
    "spread": {"scale": 0.96},
}


@pytest.fixture(scope="module")
def reference() -> Vectors:
    return drawn(np.random.default_rng(0), 3_000)


def test_unchanged_windows_pass_at_the_stated_rate(reference: Vectors) -> None:
    ruler, before = fit_reference_ruler(reference, seed=0)
    p: list[float] = []
    for seed in range(300):
        features = ruler.apply(drawn(np.random.default_rng([1, seed]), 300))
        p.append(difference(ruler, before, summarise(features), noise_of(ruler, features)).log_p)
    for level in (0.05, 0.3):
        found = float(np.mean(np.array(p) <= np.log(level)))
        assert 0.4 * level <= found <= level + 3.0 * np.sqrt(level * (1 - level) / 300) + 0.01


@pytest.mark.parametrize("kind", CHANGES)
def test_each_kind_of_change_is_found_by_its_own_test(reference: Vectors, kind: str) -> None:
    ruler, before = fit_reference_ruler(reference, seed=0)
    found = []
    for seed in range(20):
        features = ruler.apply(drawn(np.random.default_rng([2, seed]), 400, **CHANGES[kind]))
        found.append(difference(ruler, before, summarise(features), noise_of(ruler, features)))
    assert np.mean([each.log_p <= np.log(0.05) for each in found]) >= 0.8
    assert np.mean([each.log_ps[kind] <= np.log(0.01) for each in found]) >= 0.7


def test_a_window_counts_the_same_in_parts(reference: Vectors) -> None:
    ruler, before = fit_reference_ruler(reference, seed=0)
    window = drawn(np.random.default_rng(3), 200)
    whole = ruler.apply(window)
    parts = summarise(ruler.apply(window[:70])) + summarise(ruler.apply(window[70:]))
    noise = noise_of(ruler, whole)
    assert difference(ruler, before, parts, noise).log_p == pytest.approx(
        difference(ruler, before, summarise(whole), noise).log_p, rel=1e-3
    )


def test_the_weights_of_the_tests_add_to_one() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)
