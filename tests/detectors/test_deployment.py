import numpy as np
import pytest

from detectors.cause import Cause, Label, Period
from detectors.deployment import behaviour_parts
from tests.detectors.expected import expected

LABELS: tuple[Label, ...] = (
    "tenant", "adapter", "prompt_template", "model", "build", "cache", "engine", "service",
)  # fmt: skip
N, M = 1_000, 400


def parts(random: np.random.Generator, moved: np.ndarray, **labels: np.ndarray) -> list[Cause]:
    """Of traces of one topic whose values after move by ``moved``; labels are those of all the traces."""
    values = random.normal(size=N + M)
    values[N:] += moved
    given = {label: labels.get(label, np.full(N + M, "1")) for label in LABELS}
    zeros = np.zeros(N + M, dtype=np.int64)
    before, after = (
        Period(values[part, None], zeros[part], zeros[part], {label: of[part] for label, of in given.items()})
        for part in (slice(N), slice(N, None))
    )
    found = expected(values, zeros, np.arange(N + M) >= N)
    told = behaviour_parts(found, before, after)
    assert sum(part.share for part in told) == pytest.approx(found.values[N:].mean() - found.values[:N].mean())
    return told


def since(random: np.random.Generator, share: float, new: str = "2") -> np.ndarray:
    """A label of which a new value has a share of the traces after."""
    return np.where((np.arange(N + M) >= N) & (random.random(N + M) < share), new, "1")


def sure(told: list[Cause]) -> dict[tuple[str, str], float]:
    return {(part.kind, part.name): part.share for part in told if part.p_value < 1e-3}


def test_without_any_change_of_a_label_it_is_the_model() -> None:
    assert sure(parts(np.random.default_rng(0), np.full(M, 0.5))) == {("model", ""): pytest.approx(0.5, abs=0.2)}


def test_two_canaries_at_once_are_told_apart() -> None:
    random = np.random.default_rng(0)
    build, adapter = since(random, 0.5), since(random, 0.5)
    told = parts(random, 1.0 * (adapter[N:] == "2"), build=build, adapter=adapter)

    assert sure(told) == {("adapter", "2"): pytest.approx(0.5, abs=0.15)}


def test_two_builds_that_share_all_the_traffic_leave_nothing_in_common() -> None:
    random = np.random.default_rng(0)
    build = since(random, 0.5)
    build[N:] = np.where(build[N:] == "2", "2", "3")
    told = parts(random, 1.0 * (build[N:] == "3"), build=build)

    assert [part.kind for part in told] == ["build", "build", "unexplained"]
    assert sure(told) == {("build", "3"): pytest.approx(0.5, abs=0.15)}


def test_a_value_that_was_there_before_and_changed_alone_is_named() -> None:
    random = np.random.default_rng(0)
    adapter = np.where(random.random(N + M) < 0.3, "a", "b")
    told = parts(random, 1.5 * (adapter[N:] == "a"), adapter=adapter)

    assert sure(told) == {("adapter", "a"): pytest.approx(0.45, abs=0.15)}


def test_what_changed_on_a_value_and_on_the_others_is_the_models() -> None:
    random = np.random.default_rng(0)
    adapter = np.where(random.random(N + M) < 0.3, "a", "b")
    told = parts(random, np.where(adapter[N:] == "a", 1.5, 0.8), adapter=adapter)

    assert ("model", "") in sure(told)


def test_traces_without_a_value_have_the_model_in_common() -> None:
    random = np.random.default_rng(0)
    cache = np.where(random.random(N + M) < 0.3, "semantic", "")
    told = parts(random, 0.8 * (cache[N:] == ""), cache=cache)

    assert sure(told) == {("model", ""): pytest.approx(0.56, abs=0.25)}


def test_only_a_cache_is_at_fault_beside_a_build_that_answers_everywhere() -> None:
    """A build may well behave otherwise for one tenant alone; what a cache answers it does not touch."""
    random = np.random.default_rng(0)
    half = np.where(random.random(N + M) < 0.4, "a", "")
    moved = 1.5 * (half[N:] == "a")

    assert sure(parts(random, moved, build=since(random, 1.0), cache=half)).keys() == {("cache", "a")}
    assert sure(parts(random, moved, build=since(random, 1.0), tenant=half)).keys() == {("build", "2")}


def test_a_build_that_was_rolled_out_before_without_harm_is_not_blamed() -> None:
    """It answered half of the traffic before the onset, and all of it since: the model did not change with it."""
    random = np.random.default_rng(0)
    build = np.where((np.arange(N + M) >= N) | (np.arange(N + M) % 2 == 0), "2", "1")
    told = parts(random, np.zeros(M), build=build)

    assert sure(told) == {}
