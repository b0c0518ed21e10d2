from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import Sum, summarise
from monitor.model.baseline import Baseline
from monitor.model.grid import pane_of
from monitor.model.record import Partition, PartitionState
from monitor.model.segment import Segment
from monitor.model.verdict import ReferenceKind, Verdict
from monitor.watch import (
    Pace,
    Step,
    Watch,
    advance,
    banks,
    closed_before,
    foremost,
    renewed,
    thresholds,
    watermark,
)  # fmt: skip
from tests.stores import PANE, START, small_baseline

NOW = START + timedelta(hours=2)
PACE = Pace()
LONG_AGO = timedelta(minutes=5)
ALL = Segment()


def state(number: int, event_s: float | None, *, unread: int = 0, data_ago: timedelta = timedelta(0),
          resumed_ago: timedelta = LONG_AGO, seen_ago: timedelta = timedelta(0)) -> PartitionState:  # fmt: skip
    """A partition whose newest trace is ``event_s`` seconds after START, as it stands at NOW."""
    event_time = None if event_s is None else START + timedelta(seconds=event_s)
    return PartitionState(
        Partition("t", number), 10, 10 + unread, event_time, NOW - data_ago, NOW - resumed_ago, NOW - seen_ago
    )


def mark(*states: PartitionState) -> float | None:
    """The watermark in seconds after START."""
    found = watermark(states, NOW, PACE)
    return None if found is None else (found - START).total_seconds()


def test_before_the_first_trace_there_is_no_watermark() -> None:
    assert mark() is None
    assert mark(state(0, None), state(1, None, data_ago=LONG_AGO)) is None


def test_the_slowest_speaking_partition_holds_the_watermark() -> None:
    assert mark(state(0, 100), state(1, 40), state(2, 70)) == 40


def test_a_partition_read_to_its_end_and_quiet_lets_go() -> None:
    quiet = state(1, 40, data_ago=timedelta(seconds=31))

    assert mark(state(0, 100), quiet) == 100
    assert mark(state(0, 100), replace(quiet, data_at=NOW - PACE.idle_after)) == 40


def test_a_quiet_partition_with_unread_records_holds() -> None:
    assert mark(state(0, 100), state(1, 40, unread=1, data_ago=LONG_AGO)) == 40
    assert mark(state(0, 100), state(1, None, unread=1, data_ago=LONG_AGO)) is None


def test_a_new_partition_holds_until_it_is_known_to_be_empty() -> None:
    assert mark(state(0, 100), state(1, None)) is None
    assert mark(state(0, 100), state(1, None, data_ago=LONG_AGO)) == 100


def test_when_all_are_silent_everything_is_complete() -> None:
    silent = [state(0, 100, data_ago=LONG_AGO), state(1, 40, data_ago=LONG_AGO)]

    assert mark(*silent) == 100 + 60 + 30
    closed = closed_before(START + timedelta(seconds=190), PACE)
    assert closed == START + timedelta(seconds=120)  # behind the pane of the newest trace


def test_a_partition_that_nobody_reads_lets_go_after_a_while() -> None:
    gone = state(1, 40, unread=500, seen_ago=PACE.stalled_after)

    assert mark(state(0, 100), gone) == 40
    assert mark(state(0, 100), replace(gone, seen_at=gone.seen_at - timedelta(seconds=1))) == 100


def test_a_quiet_partition_is_given_time_to_follow_one_that_resumed() -> None:
    resumed = state(0, 100, resumed_ago=timedelta(seconds=20))
    quiet = state(1, 40, data_ago=LONG_AGO)

    assert mark(resumed, quiet) == 40
    assert mark(replace(resumed, resumed_at=NOW - timedelta(seconds=31)), quiet) == 100
    assert mark(resumed, replace(quiet, seen_at=NOW + timedelta(seconds=11))) == 100  # looked at again since


agos = st.integers(0, 900).map(lambda seconds: timedelta(seconds=seconds))
states = st.builds(
    state,
    st.integers(0, 8),
    st.none() | st.integers(0, 10_000),
    unread=st.integers(0, 2),
    data_ago=agos,
    resumed_ago=agos,
    seen_ago=agos,
)


@given(st.lists(states, max_size=6))
def test_the_watermark_never_passes_a_partition_with_unread_records(found: list[PartitionState]) -> None:
    time = watermark(found, NOW, PACE)
    waiting = [each for each in found if each.next < each.end and NOW - each.seen_at <= PACE.stalled_after]

    assert time is None or all(each.event_time is not None and time <= each.event_time for each in waiting)


@given(st.lists(states, min_size=1, max_size=6), st.integers(0, 5), st.integers(0, 600))
def test_more_traces_never_move_the_watermark_back(found: list[PartitionState], place: int, seconds: int) -> None:
    """As long as no silence ends: what a partition says after it, may be late."""
    grown = list(found)
    chosen = grown[place % len(grown)]
    if chosen.event_time is None:
        return
    grown[place % len(grown)] = replace(chosen, event_time=chosen.event_time + timedelta(seconds=seconds))
    before, after = watermark(found, NOW, PACE), watermark(grown, NOW, PACE)

    assert before is None or (after is not None and after >= before)


instants = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
widths = st.integers(1, 7200).map(lambda seconds: timedelta(seconds=seconds))


@given(instants, widths)
def test_a_pane_begins_on_the_grid_and_holds_its_instants(time: datetime, width: timedelta) -> None:
    start = pane_of(time, width)

    assert start <= time < start + width
    assert (start - datetime(1970, 1, 1, tzinfo=UTC)) % width == timedelta(0)
    assert pane_of(start, width) == start
    assert pane_of(time.astimezone(timezone(timedelta(hours=5, minutes=45))), width) == start


@given(instants, st.integers(-5, 5), widths, st.integers(0, 600).map(lambda seconds: timedelta(seconds=seconds)))
def test_a_pane_is_closed_when_its_end_and_the_lateness_have_passed(
    time: datetime, panes: int, width: timedelta, lateness: timedelta
) -> None:
    start = pane_of(time, width) + panes * width
    pace = Pace(width, lateness)

    assert (start < closed_before(time, pace)) == (start + width + lateness <= time)


def watched(counts: dict[Segment, int]) -> Baseline:
    """A baseline with that many signals in each segment."""
    baseline = small_baseline()
    (reference,) = baseline.references[ALL].values()
    return replace(
        baseline,
        references={segment: {f"s{i}": reference for i in range(count)} for segment, count in counts.items()},
    )


def test_the_thresholds_of_two_segments() -> None:
    """Half of one alarm in 43,200 panes for the two signals of all traffic, half for the one of the build."""
    found = thresholds(watched({ALL: 2, Segment.of(build="a"): 1}), false_alarms=1, pane=PANE)

    assert found == {ALL: 43_200 / 0.25, Segment.of(build="a"): 43_200 / 0.5}


@given(
    st.dictionaries(st.integers(0, 50).map(lambda i: Segment.of(build=str(i)) if i else ALL), st.integers(0, 20)),
    st.floats(0.01, 100),
    widths,
)
def test_the_monitors_share_one_budget(counts: dict[Segment, int], false_alarms: float, pane: timedelta) -> None:
    found = thresholds(watched(counts), false_alarms=false_alarms, pane=pane)
    spent = sum(counts[segment] / alarm_at for segment, alarm_at in found.items())

    assert found.keys() == {segment for segment, count in counts.items() if count}
    assert not found or spent == pytest.approx(min(false_alarms * (pane / timedelta(days=30)), 1.0))


def pane_sums(baseline: Baseline, means: list[float], *, size: int = 60, seed: int = 3) -> list[Sum]:
    """Panes of answers whose length varies by ±50 around each mean."""
    random = np.random.default_rng(seed)
    return [
        summarise(baseline.stack.apply({"response.tokens": random.uniform(mean - 50, mean + 50, size)}))
        for mean in means
    ]


def judged(baseline: Baseline, totals: list[Sum], *, alarm_at: float = 1e4) -> tuple[Watch, list[Verdict]]:
    watch, tests = Watch(ALL, 1), banks(baseline, ALL)
    verdicts: list[Verdict] = []
    for number, total in enumerate(totals):
        step = advance(watch, baseline, tests, START + number * PANE, total, alarm_at)
        watch = step.watch
        verdicts.extend(step.verdicts)
    return watch, verdicts


def test_traffic_like_the_reference_raises_nothing() -> None:
    baseline = small_baseline()
    _, verdicts = judged(baseline, pane_sums(baseline, [99.5] * 60))

    assert not any(verdict.drifted for verdict in verdicts)
    assert max(verdict.log_e for verdict in verdicts) < np.log(1e4) - 1
    assert [verdict.pane for verdict in verdicts] == [START + number * PANE for number in range(60)]


def test_a_change_is_reported_with_its_onset_and_its_size() -> None:
    baseline = small_baseline()
    _, verdicts = judged(baseline, pane_sums(baseline, [99.5] * 10 + [140.0] * 10))
    first = next(verdict for verdict in verdicts if verdict.drifted)

    assert START + 10 * PANE <= first.pane <= START + 12 * PANE
    assert first.onset is not None
    assert START + 9 * PANE <= first.onset <= START + 11 * PANE
    assert first.log_e >= first.log_threshold == pytest.approx(np.log(1e4))
    assert (first.effect.kind, first.effect.reference) == ("psi", pytest.approx(99.5))
    assert first.effect.now == pytest.approx(140, abs=10)
    assert all(verdict.drifted for verdict in verdicts if verdict.pane >= first.pane)


def test_judging_again_gives_the_same_verdicts_and_state() -> None:
    baseline = small_baseline()
    totals = pane_sums(baseline, [99.5] * 5 + [130.0] * 8)
    first, second = judged(baseline, totals), judged(baseline, totals)

    assert first[1] == second[1]
    memories = [watch.memories["response.tokens"] for watch, _ in (first, second)]
    assert np.array_equal(memories[0].sums, memories[1].sums)


@given(st.lists(st.integers(1, 59), max_size=3, unique=True).map(sorted), st.integers(0, 1000))
def test_parts_from_several_partitions_judge_as_the_whole(cuts: list[int], seed: int) -> None:
    baseline = small_baseline()
    random = np.random.default_rng(seed)
    whole, parted = [], []
    for mean in [99.5] * 3 + [135.0] * 5:
        features = baseline.stack.apply({"response.tokens": random.uniform(mean - 50, mean + 50, 60)})
        whole.append(summarise(features))
        parts = [summarise(part) for part in np.split(features, cuts)]
        parted.append(sum(parts[1:], parts[0]))
    first, second = judged(baseline, whole)[1], judged(baseline, parted)[1]

    assert [(v.n, v.drifted, v.onset) for v in first] == [(v.n, v.drifted, v.onset) for v in second]
    assert [v.log_e for v in first] == pytest.approx([v.log_e for v in second], rel=1e-5, abs=1e-5)
    assert [v.effect.value for v in first] == pytest.approx([v.effect.value for v in second], rel=1e-9)


def test_a_segment_without_a_reference_has_no_verdict() -> None:
    baseline = small_baseline()
    new = Segment.of(build="new")
    step = advance(Watch(new, 1), baseline, banks(baseline, new), START, pane_sums(baseline, [200.0])[0], 1e4)

    assert list(step.verdicts) == []
    assert step.watch.recent == (START,)


def step_of(*found: tuple[str, bool], reference: ReferenceKind) -> Step:
    """A step with a verdict for each signal, and whether it drifts."""
    _, (one, *_) = judged(small_baseline(), pane_sums(small_baseline(), [99.5]))
    verdicts = [replace(one, signal=signal, drifted=drifted, reference=reference) for signal, drifted in found]
    return Step(Watch(ALL, 1), verdicts, {signal: np.full(1, float(drifted)) for signal, drifted in found})


def test_the_lagged_reference_is_told_of_where_it_alone_says_drift() -> None:
    golden = step_of(("a", True), ("b", False), ("c", False), reference="golden")
    lagged = step_of(("a", True), ("b", True), ("c", False), ("d", False), reference="lagged")
    told, aside = foremost(golden, lagged)

    assert {verdict.signal: verdict.reference for verdict in told.verdicts} == {
        "a": "golden", "b": "lagged", "c": "golden", "d": "lagged",
    }  # fmt: skip
    assert sorted((verdict.signal, verdict.reference) for verdict in aside) == [
        ("a", "lagged"), ("b", "golden"), ("c", "lagged"),
    ]  # fmt: skip
    assert foremost(golden, None) == (golden, ())


def test_a_lagged_reference_is_renewed_unless_an_alarm_builds() -> None:
    baseline = small_baseline()
    days = [replace(baseline, judged_from=START + timedelta(days=day)) for day in range(3)]
    watch = replace(Watch(ALL, 1), lagged_from=days[0].judged_from)

    assert renewed(watch, days, START + timedelta(hours=1)) == watch
    assert renewed(watch, days, START + timedelta(days=1)).lagged_from == days[1].judged_from
    assert renewed(replace(watch, building=True), days, START + timedelta(days=2)).lagged_from == watch.lagged_from
    assert renewed(Watch(ALL, 1, building=True), days, START + timedelta(days=2)).lagged_from == days[2].judged_from
    assert renewed(Watch(Segment.of(tenant="x"), 1), days, START).lagged_from is None
