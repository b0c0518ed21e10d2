"""What every baseline store keeps, the fake and the real one alike."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from detectors.reference import fit
from monitor.errors import Stale
from monitor.model.baseline import Baseline
from monitor.model.build import build_of
from monitor.model.scored import PaneSum, Scored
from monitor.model.segment import Segment
from tests.stores import (
    FIRST,
    PANE,
    SECOND,
    START,
    InPostgres,
    Stores,
    adding_up,
    decoded,
    line,
    no_sums,
    small_baseline,
    unit,
)

ALL = Segment()


def ids(scored: Scored) -> list[str]:
    return [item.trace.id for item in scored.traces]


def counts(stores: Stores, baseline: Baseline) -> dict[str, float]:
    """Traces in the sums of each segment, whatever their panes."""
    parts = stores.watches().parts(baseline, START - timedelta(days=1), START + timedelta(days=1))
    return {str(segment): total.n for segment, total in parts.items()}


def test_an_empty_store_has_nothing(stores: Stores) -> None:
    store = stores.baselines()

    assert (store.baseline(), store.count(), list(store.partitions())) == (None, 0, [])
    assert ids(store.history(where={}, limit=10)) == []


def test_history_is_by_event_time_and_oldest_first(stores: Stores) -> None:
    stores.traces().positions({FIRST: 0, SECOND: 0})
    lines = [line(3, START + 3 * PANE), line(1, START + PANE), line(2, START + 2 * PANE)]
    stores.traces().commit(unit(lines))
    stores.traces().commit(unit([line(0)], partition=SECOND))
    store = stores.baselines()

    assert ids(store.history(where={}, limit=10)) == ["t0", "t1", "t2", "t3"]
    assert ids(store.history(where={}, limit=2)) == ["t0", "t1"]
    assert store.count() == 4


def test_history_is_asked_by_build_and_time(stores: Stores) -> None:
    stores.traces().positions({FIRST: 0})
    lines = [line(number, START + number * PANE, version=str(number % 2)) for number in range(6)]
    stores.traces().commit(unit(lines))
    store = stores.baselines()
    odd = build_of(decoded([lines[1]])[0].trace)
    second = START + 2 * PANE

    assert ids(store.history(where={"build": odd}, limit=10)) == ["t1", "t3", "t5"]
    assert ids(store.history(where={"since": second}, limit=10)) == ["t2", "t3", "t4", "t5"]
    assert ids(store.history(where={"after": second}, limit=10)) == ["t3", "t4", "t5"]
    assert ids(store.history(where={"until": second}, limit=10)) == ["t0", "t1"]
    assert ids(store.history(where={"since": second, "until": START + 4 * PANE, "build": odd}, limit=10)) == ["t3"]
    assert (store.count(), store.count(after=second), store.count(after=START + 5 * PANE)) == (6, 3, 0)


def test_traces_are_of_another_space_up_to_the_first_baseline_of_this_one(stores: Stores) -> None:
    store = stores.baselines()
    first = store.space_since("none/2")
    for minutes, space in enumerate(["a/2", "none/2", "a/2", "none/2", "none/2"]):
        store.activate(replace(small_baseline(judged_from=START + minutes * PANE), space=space), no_sums)

    assert first is None
    assert store.space_since("none/2") == START + 3 * PANE
    assert store.space_since("a/2") is None  # the newest is of another one: nothing carries these now


def test_history_gives_back_the_signals_that_were_stored(stores: Stores) -> None:
    stores.traces().positions({FIRST: 0})
    batch = unit([line(1, tokens=70, response="Yes."), line(2, usage={}, output_messages=[])])
    vectors = np.array([[1.0, 0.0], [np.nan, np.nan]], np.float32)
    batch.scored.columns["prompt.embedding"] = vectors  # type: ignore[index]
    batch.scored.columns["response.embedding"] = vectors[:, ::-1]  # type: ignore[index]
    stores.traces().commit(batch)

    found = stores.baselines().history(where={}, limit=10)
    assert np.array_equal(found.columns["response.tokens"], [70.0, np.nan], equal_nan=True)
    assert np.array_equal(found.columns["response.characters"], [4.0, 0.0])
    assert found.columns["finish_reason"] == ["stop", None]
    assert found.columns["status"] == ["ok", "ok"]
    assert np.array_equal(found.columns["relation"], [[1, 0, 0, 1], [np.nan] * 4], equal_nan=True)
    assert [item.trace for item in found.traces] == [item.trace for item in batch.scored.traces]


def test_a_baseline_comes_back_as_it_was_put_in_force(stores: Stores) -> None:
    made = replace(
        small_baseline(), shaped=(START - PANE, START), builds=("bot:1", "bot:2"), left_out=(Segment.of(tenant="x"),)
    )
    active = stores.baselines().activate(made, no_sums)
    found = stores.baselines().baseline()

    assert found is not None
    assert (found.shaped, found.builds, found.left_out) == (made.shaped, made.builds, made.left_out)
    assert (active.version, found.version) == (1, 1)
    assert (found.space, found.source, found.traces) == (made.space, made.source, made.traces)
    assert (found.since, found.until, found.judged_from) == (made.since, made.until, made.judged_from)
    columns = {"response.tokens": np.array([40.0, 99.0, np.nan, 300.0])}
    assert np.array_equal(found.stack.apply(columns), made.stack.apply(columns))
    before, after = made.references[ALL]["response.tokens"], found.references[ALL]["response.tokens"]
    assert np.array_equal(before.mean, after.mean)
    assert np.array_equal(before.variances, after.variances)


def test_versions_count_up_and_the_highest_is_in_force(stores: Stores) -> None:
    store = stores.baselines()
    versions = [store.activate(small_baseline(), no_sums).version for _ in range(3)]
    found = stores.traces().baseline(), stores.watches().baseline(), stores.baselines().baseline()

    assert versions == [1, 2, 3]
    assert [each and each.version for each in found] == [3, 3, 3]


def test_a_store_that_had_read_the_baseline_sees_the_next(stores: Stores) -> None:
    readers = stores.traces(), stores.watches(), stores.baselines()
    before = [reader.baseline() for reader in readers]
    stores.baselines().activate(small_baseline(), no_sums)
    first = [reader.baseline() for reader in readers]
    stores.baselines().activate(small_baseline(), no_sums)
    second = [reader.baseline() for reader in readers]

    assert before == [None, None, None]
    assert [each and each.version for each in first] == [1, 1, 1]
    assert [each and each.version for each in second] == [2, 2, 2]


def test_traces_before_between_and_after_activation_are_in_the_sums_once(stores: Stores) -> None:
    """Up to ``judged_from`` a trace belongs to the reference; the later ones count, whenever they were stored."""
    traces = stores.traces()
    traces.positions({FIRST: 0, SECOND: 0})
    before = [line(number, START + timedelta(seconds=20 * number)) for number in range(6)]
    traces.commit(unit(before))
    judged_from = START + timedelta(seconds=40)
    between = unit([line(6, START + 2 * PANE), line(7, START + 2 * PANE, tenant="other")], first=6)

    def add_up(later: Scored, baseline: Baseline) -> Sequence[PaneSum]:
        assert ids(later) == ["t3", "t4", "t5"]
        return adding_up(later, baseline)

    baseline = stores.baselines().activate(small_baseline(judged_from=judged_from), add_up)
    with pytest.raises(Stale):
        traces.commit(between)
    traces.commit(
        unit([line(6, START + 2 * PANE), line(7, START + 2 * PANE, tenant="other")], first=6, baseline=baseline)
    )
    traces.commit(unit([line(8, START + 3 * PANE)], partition=SECOND, baseline=baseline))

    found = counts(stores, baseline)
    assert found["all"] == 6.0  # t3 to t8
    assert (found["tenant=acme"], found["tenant=other"]) == (5.0, 1.0)


def test_a_second_baseline_starts_its_own_sums(stores: Stores) -> None:
    traces = stores.traces()
    traces.positions({FIRST: 0})
    first = stores.baselines().activate(small_baseline(), adding_up)
    traces.commit(unit([line(1, START + PANE), line(2, START + 2 * PANE)], baseline=first))
    second = stores.baselines().activate(small_baseline(judged_from=START + PANE), adding_up)

    assert counts(stores, first)["all"] == 2.0
    assert counts(stores, second)["all"] == 1.0


def test_an_error_while_adding_up_leaves_no_baseline(stores: Stores) -> None:
    def add_up(_later: Scored, _baseline: Baseline) -> Sequence[PaneSum]:
        raise ZeroDivisionError

    stores.traces().positions({FIRST: 0})
    store = stores.baselines()
    with pytest.raises(ZeroDivisionError):
        store.activate(small_baseline(), add_up)

    stores.traces().commit(unit([line(1)]))  # of no baseline
    assert store.baseline() is None
    assert ids(store.history(where={}, limit=10)) == ["t1"]


def test_a_partition_that_comes_while_a_baseline_is_put_in_force_begins_with_it(stores: Stores) -> None:
    """Else its consumer would never agree with the store on the baseline."""
    starts: list[threading.Thread] = []

    def add_up(_later: Scored, _baseline: Baseline) -> Sequence[PaneSum]:
        starts.append(threading.Thread(target=stores.traces().positions, args=({SECOND: 0},)))
        starts[0].start()
        starts[0].join(0.3)  # it may not be done before we are
        return []

    baseline = stores.baselines().activate(small_baseline(), add_up)
    starts[0].join()
    stores.traces().commit(unit([line(1)], partition=SECOND, baseline=baseline))

    assert counts(stores, baseline)["all"] == 1.0


def test_the_smallest_segment_name_and_the_largest_survive(database_url: str) -> None:
    """Segments are keys of the database: whatever a label's value, it must come back as the same segment."""
    real = InPostgres(database_url)
    made = small_baseline()
    columns = {"response.tokens": np.arange(50.0, 150.0)}
    odd = [Segment.of(tenant="a,b=c%2C"), Segment.of(tenant=""), Segment.of(build="x" * 800, tenant="ü" * 256)]
    references = {segment: fit(columns, {"response.tokens": "scalar"}, seed=0)[1] for segment in [ALL, *odd]}
    real.baselines().activate(
        Baseline(0, "none/2", made.stack, references, "a test", 100, START, START, START), no_sums
    )

    found = real.baselines().baseline()
    real.close()
    assert found is not None
    assert set(found.references) == {ALL, *odd}
