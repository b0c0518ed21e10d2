"""What every watch store does with panes as they age."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from monitor.model.baseline import Baseline
from monitor.model.segment import Segment
from tests.ports.watching import ALL, add
from tests.stores import (
    PANE,
    START,
    Stores,
    line,
    told,
    unit,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TENTH = START + 10 * DAY


def judged_traces(stores: Stores, baseline: Baseline, times: list[datetime], *, first: int) -> None:
    """Traces at these times, all judged."""
    lines = [line(first + place, time, tokens=50 + place % 97) for place, time in enumerate(times)]
    stores.traces().commit(unit(lines, first=first, baseline=baseline))
    store = stores.watches()
    for segment in store.ready(baseline, TENTH):
        with store.claim(baseline, segment, TENTH) as claim:
            assert claim is not None
            store.record(claim, replace(claim.watch, judged_until=max(claim.panes) + PANE), [], [])


def roll_up(stores: Stores, now: datetime) -> int:
    """Steps until nothing is left to add up."""
    store, steps = stores.watches(), 0
    while store.roll_up(now):
        steps += 1
    return steps


def starts(stores: Stores, baseline: Baseline) -> list[timedelta]:
    return [start - START for start in stores.judged(baseline)[ALL]]


def test_old_panes_become_hours_and_then_days_and_no_sum_changes(stores: Stores, baseline: Baseline) -> None:
    """The day begins half-way through START's."""
    judged_traces(stores, baseline, [START + number * 20 * PANE for number in range(10 * 72)], first=0)
    store = stores.watches()
    days = [(START + (i - 0.5) * DAY, START + (i + 0.5) * DAY) for i in range(11)]
    before = [store.parts(baseline, *day) for day in days]
    steps = roll_up(stores, TENTH)
    after = [store.parts(baseline, *day) for day in days]

    assert steps > 0
    assert starts(stores, baseline) == [
        *(i * DAY - 12 * HOUR for i in range(3)),  # the day 7 days ago began with this half
        *(i * HOUR for i in range(60, 9 * 24 - 1)),
        *(number * 20 * PANE for number in range(72 * 9 - 3, 72 * 10)),
    ]
    for one, other in zip(before, after, strict=True):
        assert one.keys() == other.keys()
        assert [one[segment].n for segment in one] == [other[segment].n for segment in one]
        for segment in one:
            assert other[segment].total == pytest.approx(one[segment].total, rel=1e-12)


def test_adding_up_again_changes_nothing(stores: Stores, baseline: Baseline) -> None:
    judged_traces(stores, baseline, [START + number * HOUR for number in range(240)], first=0)
    roll_up(stores, TENTH)
    once = {segment: [told(total) for total in found.values()] for segment, found in stores.judged(baseline).items()}
    steps = roll_up(stores, TENTH)
    again = {segment: [told(total) for total in found.values()] for segment, found in stores.judged(baseline).items()}

    assert (steps, again) == (0, once)


def test_panes_judged_in_an_hour_that_was_added_up_join_it(stores: Stores, baseline: Baseline) -> None:
    """All traffic is judged slowly, and a tenant's a day ahead of it."""
    add(stores, baseline, range(5, 6), first=0)
    add(stores, baseline, range(50, 51), first=1)
    stores.traces().commit(unit([line(9, START + 2 * DAY, tenant="x")], first=2, baseline=baseline))
    store = stores.watches()
    for segment, closed in ((ALL, START + HOUR / 2), (Segment.of(tenant="x"), TENTH), (ALL, START + HOUR)):
        with store.claim(baseline, segment, closed) as claim:
            assert claim is not None
            store.record(claim, replace(claim.watch, judged_until=max(claim.panes) + PANE), [], [])
        roll_up(stores, TENTH)

    assert {start - START: total.n for start, total in stores.judged(baseline)[ALL].items()} == {timedelta(0): 2.0}


def test_a_history_that_is_imported_ages_by_what_was_judged(stores: Stores, baseline: Baseline) -> None:
    judged_traces(stores, baseline, [START + number * PANE for number in range(3)], first=0)
    much_later = roll_up(stores, TENTH)
    judged_traces(stores, baseline, [START + DAY + HOUR], first=3)

    assert much_later == 0
    assert roll_up(stores, START + DAY) == 0
    assert roll_up(stores, TENTH) > 0
    assert starts(stores, baseline) == [timedelta(0), DAY + HOUR]
