"""What every trace store keeps, the fake and the real one alike."""

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.errors import Fenced, Repeated, Stale, Unstorable
from monitor.model.record import Partition, PartitionState, Progress, Record, Reject
from monitor.model.segment import Segment
from tests.stores import (
    FIRST,
    PANE,
    SECOND,
    START,
    UNSTORABLE,
    Stores,
    line,
    no_sums,
    scored,
    small_baseline,
    told,
    unit,
)


def reject(offset: int, partition: Partition = FIRST) -> Reject:
    headers = {"traceparent": b"00-1", "raw": bytes(range(256)).replace(b"\0", b"")}
    record = Record(partition, offset, b"\x00\xff not json", headers, key=b"\x00k" if offset else None)
    return Reject(record, "not_json", "a NUL \0 in the words")


def state(stores: Stores, partition: Partition = FIRST) -> PartitionState:
    return next(each for each in stores.baselines().partitions() if each.partition == partition)


def ids(stores: Stores) -> list[str]:
    return [item.trace.id for item in stores.baselines().history(where={}, limit=100).traces]


def test_a_new_partition_begins_where_it_is_told_and_then_where_it_stands(stores: Stores) -> None:
    store = stores.traces()
    first = store.positions({FIRST: 7, SECOND: 0})
    store.commit(unit([line(1)], first=7))

    assert first == {FIRST: 7, SECOND: 0}
    assert stores.traces().positions({FIRST: 0, SECOND: 5}) == {FIRST: 8, SECOND: 0}


def test_a_commit_stores_traces_rejects_counts_and_the_offset(stores: Stores) -> None:
    store = stores.traces()
    store.positions({FIRST: 0})
    batch = unit([line(1), line(2, START + timedelta(seconds=9))], rejects=[reject(2)])
    store.commit(replace(batch, repeats={FIRST: 4}))

    assert ids(stores) == ["t1", "t2"]
    assert store.positions({FIRST: 0}) == {FIRST: 3}
    assert stores.counts(FIRST) == (2, 4, 1)
    assert stores.baselines().count() == 2
    assert state(stores) == PartitionState(FIRST, 3, 3, START + timedelta(seconds=9), START, START, START)


def test_a_reject_comes_back_as_it_went_in(stores: Stores) -> None:
    store = stores.traces()
    store.positions({FIRST: 0})
    store.commit(unit([], rejects=[reject(0), reject(1)]))
    waiting = store.waiting_rejects(10)
    store.forwarded([waiting[0].id], START)

    assert [each.reject.record for each in waiting] == [reject(0).record, reject(1).record]
    assert [(each.reject.reason, each.reject.message[:5]) for each in waiting] == [("not_json", "a NUL")] * 2
    assert [each.id for each in store.waiting_rejects(10)] == [waiting[1].id]
    assert [each.id for each in store.waiting_rejects(0)] == []


def test_an_offset_that_another_owner_moved_fences_and_stores_nothing(stores: Stores) -> None:
    store, other = stores.traces(), stores.traces()
    store.positions({FIRST: 0})
    other.commit(unit([line(1)]))

    with pytest.raises(Fenced, match=r"llm.traces.v1/0: read from 0, but the stored offset is 1"):
        store.commit(unit([line(2)], rejects=[reject(1)]))
    assert ids(stores) == ["t1"]
    assert store.waiting_rejects(10) == []


def test_a_partition_never_placed_fences(stores: Stores) -> None:
    with pytest.raises(Fenced, match="the stored offset is unknown"):
        stores.traces().commit(unit([line(1)]))
    assert ids(stores) == []


def test_one_fenced_partition_holds_back_the_whole_unit(stores: Stores) -> None:
    store = stores.traces()
    store.positions({FIRST: 0, SECOND: 5})
    both = unit([line(1)])
    both = replace(both, progress=[*both.progress, Progress(SECOND, 4, 6, 6)])

    with pytest.raises(Fenced, match=r"llm.traces.v1/1: read from 4, but the stored offset is 5"):
        store.commit(both)
    assert store.positions({FIRST: 0, SECOND: 0}) == {FIRST: 0, SECOND: 5}
    assert ids(stores) == []


def test_a_unit_of_an_earlier_baseline_is_stale_and_stores_nothing(stores: Stores) -> None:
    store = stores.traces()
    store.positions({FIRST: 0})
    stores.baselines().activate(small_baseline(), no_sums)

    with pytest.raises(Stale, match="baseline 0 was replaced by 1"):
        store.commit(unit([line(1)]))
    baseline = store.baseline()
    assert baseline is not None
    store.commit(unit([line(1)], baseline=baseline))
    assert ids(stores) == ["t1"]
    assert baseline.version == 1


def test_a_partition_met_after_the_baseline_takes_its_units(stores: Stores) -> None:
    baseline = stores.baselines().activate(small_baseline(), no_sums)
    store = stores.traces()
    store.positions({SECOND: 0})
    store.commit(unit([line(1)], partition=SECOND, baseline=baseline))

    assert ids(stores) == ["t1"]


def test_fencing_is_told_before_staleness(stores: Stores) -> None:
    store = stores.traces()
    store.positions({FIRST: 3})
    stores.baselines().activate(small_baseline(), no_sums)

    with pytest.raises(Fenced):
        store.commit(unit([line(1)]))


def test_a_stored_key_is_a_repeat_and_stores_nothing(stores: Stores) -> None:
    store = stores.traces()
    store.positions({FIRST: 0})
    store.commit(unit([line(1)]))

    with pytest.raises(Repeated):
        store.commit(unit([line(2), line(1)], first=1))
    assert ids(stores) == ["t1"]
    assert store.positions({FIRST: 0}) == {FIRST: 1}


def test_the_key_is_tenant_id_and_time(stores: Stores) -> None:
    store = stores.traces()
    store.positions({FIRST: 0})
    later = START + timedelta(microseconds=1)
    store.commit(unit([line(1), line(1, tenant="other"), line(1, later)]))
    known = store.known([("acme", "t1", START), ("acme", "t2", START), ("other", "t1", later), ("acme", "t1", later)])

    assert known == {("acme", "t1", START), ("acme", "t1", later)}
    assert store.known([]) == set()


def test_what_the_database_will_not_take_is_found_one_by_one(stores: Stores) -> None:
    store = stores.traces()
    store.positions({FIRST: 0})
    batch = unit([line(1), line(2, **UNSTORABLE), line(3)])

    with pytest.raises(Unstorable, match="value overflows numeric format"):
        store.commit(batch)
    refused = store.unstorable(batch.scored, START)
    assert refused == {1: "value overflows numeric format"}
    assert ids(stores) == []


def test_a_repeat_beside_an_unstorable_trace_is_no_error_of_its_own(stores: Stores) -> None:
    store = stores.traces()
    store.positions({FIRST: 0})
    store.commit(unit([line(1)]))

    assert store.unstorable(scored([line(1), line(2, **UNSTORABLE)]), START) == {1: "value overflows numeric format"}


def test_a_gap_is_skipped_once_and_noted(stores: Stores) -> None:
    store = stores.traces()
    store.positions({FIRST: 2})
    store.skip_gap(FIRST, 2, 9, START)
    store.skip_gap(FIRST, 2, 12, START)

    assert store.positions({FIRST: 0}) == {FIRST: 9}
    assert stores.gaps() == [(FIRST, 2, 9)]


def test_a_topic_made_anew_is_read_from_its_beginning_with_the_offsets_used_before(stores: Stores) -> None:
    store = stores.traces()
    store.positions({FIRST: 0})
    store.commit(unit([line(1)], rejects=[reject(1)]))
    store.skip_gap(FIRST, 2, 0, START)
    end_after_skip = state(stores).end
    store.commit(unit([line(2)], rejects=[reject(1)]))

    assert end_after_skip == 0
    assert ids(stores) == ["t1", "t2"]
    assert len(store.waiting_rejects(10)) == 2


def test_looking_at_a_partition_notes_when_and_where_its_log_ends(stores: Stores) -> None:
    store = stores.traces()
    store.positions({FIRST: 0, SECOND: 0})
    store.commit(unit([line(1)]))
    at = START + timedelta(seconds=20)
    store.seen([Progress(FIRST, 1, 1, 5), Progress(SECOND, 3, 3, 9)], at)
    store.seen([Progress(FIRST, 1, 1, 4)], at - timedelta(seconds=1))

    first, second = state(stores), state(stores, SECOND)
    assert (first.next, first.end, first.data_at, first.seen_at) == (1, 5, START, at)
    assert (second.next, second.end) == (0, 0)  # who looks from another place has lost it


def test_a_partition_resumes_when_it_was_quiet_for_longer_than_idle(stores: Stores) -> None:
    store = stores.traces()
    store.positions({FIRST: 0})
    soon, late = START + timedelta(seconds=30), START + timedelta(seconds=61)
    resumed = []
    for number, at in enumerate([START, soon, late]):
        store.commit(unit([line(number)], first=number, at=at))
        resumed.append(state(stores).resumed_at)

    assert resumed == [START, START, late]


def test_event_time_never_falls_back(stores: Stores) -> None:
    store = stores.traces()
    store.positions({FIRST: 0})
    store.commit(unit([line(1, START + PANE)]))
    store.commit(unit([line(2, START)], first=1))
    store.commit(unit([], first=2, rejects=[reject(2)]))

    assert state(stores).event_time == START + PANE


def test_sums_of_several_commits_add_up_by_segment(stores: Stores) -> None:
    baseline = stores.baselines().activate(small_baseline(), no_sums)
    store = stores.traces()
    store.positions({FIRST: 0, SECOND: 0})
    store.commit(unit([line(1), line(2, tenant="other")], baseline=baseline))
    store.commit(unit([line(3)], partition=SECOND, baseline=baseline))
    whole = unit([line(1), line(2, tenant="other"), line(3)], baseline=baseline).sums

    parts = stores.watches().parts(baseline, START, START + PANE)
    assert {segment: told(total) for segment, total in parts.items()} == {p.segment: told(p.sum) for p in whole}
    assert parts[Segment()].n == 3
    assert parts[Segment.of(tenant="other")].n == 1
