"""The test of canaries: the law of its false alarms, what it finds, and how a change ends."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.canary import TESTS, Watch, advance, learn, unlearn
from detectors.conformal import mark

PROMPTS, REPEATS = 20, 5


def noisy(seed: int, *, shift: float = 0.0, since: int = 0, count: int = 1000) -> Iterator[Watch]:
    """The watch after each canary to an endpoint whose log-probabilities have heavy noise, larger for some prompts.

    From ``since`` on each of 16 log-probabilities is off by ``shift`` nats, up or down.
    """
    rng = np.random.default_rng(seed)
    scale = 0.02 * rng.lognormal(0, 0.7, PROMPTS)
    pinned = rng.normal(size=(PROMPTS, 16)) * scale[:, None]
    signs = rng.choice([-1, 1], size=(PROMPTS, 16))

    def marks(prompt: int, by: float) -> dict[str, int]:
        found = rng.normal(size=16) * scale[prompt] * rng.lognormal(0, 0.5) + by * signs[prompt]
        return {"logprobs": mark(float(np.abs(found - pinned[prompt]).mean()), 0.001), "answers": 0}

    watch = Watch()
    for prompt in list(range(PROMPTS)) * (REPEATS - 1):
        watch = learn(watch, str(prompt), marks(prompt, 0.0))
    for number in range(count):
        prompt = number % PROMPTS
        by = shift if number >= since else 0.0
        watch = advance(watch, str(prompt), marks(prompt, by), alpha=0.1, prompts=PROMPTS)
        yield watch


def test_false_alarms_within_a_thousand_canaries_are_rarer_than_alpha() -> None:
    alarms = sum(any(watch.changed for watch in noisy(seed)) for seed in range(60))
    # 10 % of 60 are 6; more than 11 would be seen once in 100 times at exactly α.
    assert alarms <= 6


@pytest.mark.parametrize("since", [0, 500])
def test_a_shift_of_twice_the_noise_is_found_within_fifteen_canaries_in_the_median(since: int) -> None:
    found = []
    for seed in range(10):
        changed = [watch.changed for watch in noisy(seed, shift=0.04, since=since, count=since + 100)]
        assert not any(changed[:since])
        found.append(changed.index(True) + 1 - since)
    assert np.median(found) <= 15
    assert max(found) <= 40


def pinned(prompts: int = 10) -> Watch:
    watch = Watch()
    for prompt in list(range(prompts)) * (REPEATS - 1):
        watch = learn(watch, str(prompt), {"logprobs": 0, "answers": 0, "quality": 0})
    return watch


def after(watch: Watch, found: int, count: int, prompts: int = 10) -> list[Watch]:
    seen = []
    for number in range(count):
        marks = {"logprobs": found, "answers": 0, "quality": 0}
        watch = advance(watch, str(number % prompts), marks, alpha=0.01, prompts=prompts)
        seen.append(watch)
    return seen


def test_an_endpoint_without_noise_never_gathers_evidence_and_a_swap_after_long_is_found_as_fast() -> None:
    *_, calm = after(pinned(), 0, 1000)
    assert calm.log_e == pytest.approx(0.0)
    first = [watch.changed for watch in after(pinned(), 12, 20)].index(True) + 1
    later = [watch.changed for watch in after(calm, 12, 20)].index(True) + 1
    assert (first, later) == (7, 2)


def test_evidence_is_the_mean_of_the_capitals_of_all_tests() -> None:
    watch = after(pinned(), 12, 4)[-1]
    expected = sum(weight * math.exp(watch.capitals[test].log_e) for test, weight in TESTS.items())
    assert math.exp(watch.log_e) == pytest.approx(expected)
    assert watch.since == 4


def test_a_change_is_over_after_two_rounds_that_do_not_show_it_and_found_again_when_it_comes_back() -> None:
    *_, changed = after(pinned(), 12, 7)
    assert changed.changed
    seen = [(str(number), {"logprobs": 12, "answers": 0, "quality": 0}) for number in range(7)]
    clean = unlearn(changed, seen)
    assert clean.bags == pinned().bags
    assert all(watch.changed for watch in after(clean, 12, 200))
    back = after(clean, 0, 20)
    assert [watch.changed for watch in back] == [True] * 19 + [False]
    assert [watch.changed for watch in after(back[-1], 12, 20)].index(True) + 1 == 7


def test_a_change_of_a_tenth_of_the_prompts_is_not_taken_for_over() -> None:
    def mixed(watch: Watch, count: int) -> list[bool]:
        seen = []
        for number in range(count):
            marks = {"logprobs": 12 if number % 10 == 0 else 0, "answers": 0}
            watch = advance(watch, str(number % 10), marks, alpha=0.01, prompts=10)
            seen.append(watch.changed)
        return seen

    *_, changed = after(pinned(), 12, 7)
    clean = unlearn(changed, [(str(number), {"logprobs": 12, "answers": 0, "quality": 0}) for number in range(7)])
    assert all(mixed(clean, 19))


@given(found=st.dictionaries(st.sampled_from([*TESTS]), st.integers(0, 200)))
def test_marks_of_any_of_the_tests_are_taken(found: dict[str, int]) -> None:
    watch = advance(learn(Watch(), "a", found), "a", found, alpha=0.01, prompts=1)
    assert watch.log_e == pytest.approx(0.0)
    assert advance(Watch(changed=True), "a", found, alpha=0.01, prompts=1).quiet == 1
