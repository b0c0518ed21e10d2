import numpy as np
import pytest

from detectors.cause import Cause, Period
from detectors.traffic import traffic_parts
from tests.detectors.expected import expected

MEANS = np.array([0.0, 1.0, 4.0])
NOVEL = 2


def parts(random: np.random.Generator, shares: tuple[float, ...], *, newcomer: int | None = None) -> list[Cause]:
    """Of 1,000 traces of two topics before and 300 after; the traces of one topic after may be a new tenant's."""
    periods = []
    for n, given in ((1_000, (0.5, 0.5, 0.0)), (300, shares)):
        topics = random.choice(3, n, p=given)
        tenants = np.where((topics == newcomer) & (n == 300), "new", "old")
        values = MEANS[topics] + random.normal(size=n)
        periods.append(Period(values[:, None], topics, np.zeros(n, dtype=np.int64), {"tenant": tenants}))
    before, after = periods
    values = np.concatenate([before.values[:, 0], after.values[:, 0]])
    cells, is_after = np.concatenate([before.topics, after.topics]), np.arange(1_300) >= 1_000
    found = expected(values, cells, is_after, foreign=cells == NOVEL)
    told = traffic_parts(values, found, before, after, novel=NOVEL, over_dispersion=1.0)
    predicted = values - found.values
    assert sum(part.share for part in told) == pytest.approx(predicted[1_000:].mean() - predicted[:1_000].mean())
    return told


def by_kind(told: list[Cause]) -> dict[str, Cause]:
    return {part.kind: part for part in told}


def test_other_shares_of_known_topics_are_mix() -> None:
    found = by_kind(parts(np.random.default_rng(0), (0.2, 0.8, 0.0)))

    assert found.keys() == {"traffic_mix", "new_topic"}
    assert found["traffic_mix"].share == pytest.approx(0.3, abs=0.1)
    assert found["traffic_mix"].p_value < 1e-6
    assert found["new_topic"].share == 0.0


def test_a_new_topic_takes_nothing_from_the_mix_of_the_others() -> None:
    found = by_kind(parts(np.random.default_rng(0), (0.4, 0.4, 0.2)))

    assert found["new_topic"].share == pytest.approx(0.2 * 3.5, abs=0.15)
    assert found["new_topic"].p_value < 1e-6
    assert found["traffic_mix"].p_value > 0.01


@pytest.mark.parametrize(("shares", "newcomer"), [((0.4, 0.4, 0.2), 2), ((0.2, 0.8, 0.0), 1)])
def test_what_a_new_tenant_asks_is_the_tenants(shares: tuple[float, ...], newcomer: int) -> None:
    found = by_kind(parts(np.random.default_rng(0), shares, newcomer=newcomer))

    assert (found["tenant"].name, found["tenant"].p_value < 1e-6) == ("new", True)
    assert found["tenant"].share > 0.3
    assert found["new_topic"].share == 0.0


def test_p_values_of_the_mix_are_uniform_in_the_same_traffic() -> None:
    random = np.random.default_rng(0)
    p_values = np.array([by_kind(parts(random, (0.5, 0.5, 0.0)))["traffic_mix"].p_value for _ in range(400)])

    for level in (0.05, 0.25, 0.5):
        error = np.sqrt(level * (1 - level) / len(p_values))
        assert (p_values < level).mean() == pytest.approx(level, abs=3.5 * error)
