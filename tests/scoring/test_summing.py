from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import Sum, summarise
from monitor.events import Event, SegmentsLeftOut
from monitor.model.baseline import Baseline
from monitor.model.build import build_of
from monitor.model.scored import PaneSum, Scored
from monitor.model.segment import Segment
from monitor.scoring import Adder, add_up
from tests.stores import PANE, START, WATCHED, adding_up, line, scored, small_baseline

BASELINE = small_baseline()
ALL = Segment()
BATCH = scored(
    [
        line(number, START + timedelta(seconds=7 * number), tenant=f"t{number % 3}", tokens=40 + 3 * number)
        for number in range(40)
    ]
)
BUILD = build_of(BATCH.traces[0].trace)


def by_pane(found: Sequence[PaneSum]) -> dict[tuple[Segment, datetime], Sum]:
    parts: dict[tuple[Segment, datetime], list[Sum]] = defaultdict(list)
    for part in found:
        parts[part.segment, part.start].append(part.sum)
    return {key: reduce(add, sums) for key, sums in parts.items()}


def test_each_segment_and_pane_gets_the_sum_of_its_traces() -> None:
    found = by_pane(adding_up(BATCH, BASELINE))
    features = BASELINE.stack.apply(BATCH.columns)
    second_minute = [i for i in range(40) if 60 <= 7 * i < 120]
    of_t1 = [i for i in second_minute if i % 3 == 1]

    assert found[ALL, START + PANE].n == len(second_minute)
    assert np.array_equal(found[ALL, START + PANE].total, summarise(features[second_minute]).total)
    assert np.array_equal(found[Segment.of(tenant="t1"), START + PANE].total, summarise(features[of_t1]).total)
    assert {segment for segment, _ in found} == {
        ALL,
        Segment.of(build=BUILD),
        *(Segment.of(tenant=f"t{i}") for i in range(3)),
    }
    assert sum(total.n for (segment, _), total in found.items() if segment == ALL) == 40


@given(st.lists(st.integers(0, 40), max_size=4).map(sorted), st.randoms(use_true_random=False))
def test_a_batch_split_anyhow_adds_up_to_the_same(cuts: list[int], random: object) -> None:
    places = list(range(40))
    random.shuffle(places)  # type: ignore[attr-defined]
    bounds = [0, *cuts, 40]
    parts = [BATCH.at(places[start:stop]) for start, stop in pairwise(bounds)]
    found = by_pane([part for each in parts for part in adding_up(each, BASELINE)])
    whole = by_pane(adding_up(BATCH, BASELINE))

    assert found.keys() == whole.keys()
    for key, total in whole.items():
        assert found[key].n == total.n
        assert found[key].total == pytest.approx(total.total, rel=1e-12, abs=1e-9)


def test_traces_before_the_first_judged_pane_are_left_out() -> None:
    judged_from = START + timedelta(seconds=90)
    found = by_pane(adding_up(BATCH, small_baseline(judged_from=judged_from)))

    assert min(start for _, start in found) == START + PANE  # the pane that the instant lies in
    assert sum(total.n for (segment, _), total in found.items() if segment == ALL) == sum(
        7 * i >= 60 for i in range(40)
    )


def test_nothing_adds_up_to_nothing() -> None:
    none = BATCH.at([])
    late = small_baseline(judged_from=START + timedelta(hours=1))

    assert adding_up(none, BASELINE) == []
    assert adding_up(BATCH, late) == []
    assert add_up(BATCH, BASELINE, watched=[("labels.floor",)], pane=PANE, limit=10) == []


def segments(limit: int, batch: Scored = BATCH) -> set[str]:
    found = add_up(batch, BASELINE, watched=WATCHED, pane=PANE, limit=limit)
    return {str(part.segment) for part in found}


def test_over_the_limit_referenced_segments_come_first_and_then_by_name() -> None:
    assert segments(5) == {"all", f"build={BUILD}", "tenant=t0", "tenant=t1", "tenant=t2"}
    assert segments(4) == {"all", f"build={BUILD}", "tenant=t0", "tenant=t1"}
    assert segments(1) == {"all"}


def test_many_tenants_cost_all_traffic_nothing() -> None:
    batch = scored([line(number, tenant=f"tenant-{number}") for number in range(300)])
    found = add_up(batch, BASELINE, watched=WATCHED, pane=PANE, limit=20)

    assert len({part.segment for part in found}) == 20
    assert [part.sum.n for part in found if part.segment == ALL] == [300.0]


def test_a_signal_that_is_missing_is_counted_as_missing() -> None:
    batch = scored([line(1, usage={}), line(2)])
    (total,) = [part.sum for part in adding_up(batch, BASELINE) if part.segment == ALL]
    missing = BASELINE.stack.maps["response.tokens"].tested - 1

    assert (total.n, total.total[missing]) == (2.0, 1.0)
    assert np.isfinite(total.total).all()


def test_a_segment_that_was_added_up_once_keeps_its_place_and_one_too_many_is_told_of_once() -> None:
    events: list[Event] = []
    adder = Adder(watched=((), ("tenant",)), pane=PANE, limit=3, emit=events.append)

    def added(*tenants: str, baseline: Baseline = BASELINE) -> set[str]:
        batch = scored([line(number, tenant=tenant) for number, tenant in enumerate(tenants)])
        return {str(part.segment) for part in adder(batch, baseline)}

    first, second, third = added("m", "n"), added("a", "n", "b"), added("c", "m")
    told = list(events)
    anew = added("a", "b", "c", baseline=replace(BASELINE, version=1))

    assert first == {"all", "tenant=m", "tenant=n"}
    assert second == {"all", "tenant=n"}
    assert third == {"all", "tenant=m"}
    assert told == [SegmentsLeftOut(0, "tenant=a", 2, 3)]
    assert anew == {"all", "tenant=a", "tenant=b"}


def test_segments_with_a_reference_are_added_up_whatever_the_limit() -> None:
    references = dict.fromkeys([ALL, *(Segment.of(tenant=f"t{i}") for i in range(3))], BASELINE.references[ALL])
    adder = Adder(watched=WATCHED, pane=PANE, limit=1, emit=lambda _event: None)

    assert {str(part.segment) for part in adder(BATCH, replace(BASELINE, references=references))} == {
        "all", "tenant=t0", "tenant=t1", "tenant=t2",
    }  # fmt: skip
