"""When a message is tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model.alert import Delivered, Outcome, Refused, Retry
from monitor.outbox import DELAYS_S, again_at, spread

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
DOWN = Retry("Connection refused")


def waits_s(outcome: Outcome, jitter: float) -> list[float]:
    """The waits from the first failed attempt to the last."""
    found: list[float] = []
    while (at := again_at(len(found) + 1, outcome, NOW, jitter)) is not None:
        found.append((at - NOW).total_seconds())
    return found


def test_the_schedule_is_that_of_standard_webhooks_and_four_early_attempts() -> None:
    standard = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]

    assert waits_s(DOWN, 0) == list(DELAYS_S)
    assert [wait for wait in DELAYS_S if wait not in (15, 30, 60, 120)] == standard


@given(st.floats(-1, 1))
def test_waits_grow_and_jitter_moves_them_by_a_tenth_at_most(jitter: float) -> None:
    found = waits_s(DOWN, jitter)

    assert len(found) == 13
    assert found == sorted(found)
    assert all(0.9 * plain - 1e-6 <= wait <= 1.1 * plain + 1e-6 for wait, plain in zip(found, DELAYS_S, strict=True))


@given(st.floats(-1, 1), st.floats(0, 3_600), st.integers(1, 13))
def test_never_before_what_the_receiver_asked_for(jitter: float, asked_s: float, attempts: int) -> None:
    at = again_at(attempts, Retry("HTTP 429", 429, asked_s), NOW, jitter)

    assert at is not None
    wait_s = (at - NOW).total_seconds()
    assert wait_s >= max(asked_s, 0.9 * DELAYS_S[attempts - 1]) - 1e-6
    assert wait_s <= 1.1 * max(asked_s, DELAYS_S[attempts - 1]) + 1e-6


def test_an_hour_asked_for_is_an_hour_waited() -> None:
    assert again_at(1, Retry("HTTP 503", 503, 3_600), NOW, 0) == NOW + timedelta(hours=1)


@pytest.mark.parametrize("attempts", [1, 14, 99])
@pytest.mark.parametrize("outcome", [Delivered(200), Refused("no"), Refused("gone", 410, gone=True)])
def test_what_is_settled_is_not_tried_again(outcome: Outcome, attempts: int) -> None:
    assert again_at(attempts, outcome, NOW, 0) is None


def test_the_jitter_fills_its_range_evenly_and_repeats() -> None:
    jitters = [spread(f"msg_{i}", attempt) for i in range(500) for attempt in (1, 2)]

    assert min(jitters) >= -1
    assert max(jitters) <= 1
    # Standard errors for 1,000 uniform draws: 0.018 of the mean, 0.009 of the mean of squares, whose mean is 1/3.
    assert sum(jitters) / 1_000 == pytest.approx(0, abs=0.08)
    assert sum(j * j for j in jitters) / 1_000 == pytest.approx(1 / 3, abs=0.04)
    assert spread("msg_1", 1) == spread("msg_1", 1) != spread("msg_1", 2)
