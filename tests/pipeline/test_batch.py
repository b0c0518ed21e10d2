"""One batch, in memory and in Postgres."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import pytest

from monitor.errors import Fenced, Repeated, Transient, Unstorable
from monitor.events import BatchScored, BatchStored, Event
from monitor.model.scored import Scored, Unit
from monitor.model.segment import Segment
from monitor.ports import Key
from monitor.testing.database import MemoryDatabase
from monitor.testing.stores import MemoryTraceStore
from tests.pipeline.support import at, ids, ingest, pipeline
from tests.stores import (
    FIRST,
    KINDS_OF_STORES,
    PANE,
    START,
    UNSTORABLE,
    InMemory,
    Stores,
    line,
    no_sums,
    opened,
    small_baseline,
    told,
    unit,
)


@pytest.fixture(params=KINDS_OF_STORES)
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    with opened(request) as found:
        found.traces().positions({FIRST: 0})
        yield found


def test_a_batch_becomes_traces_repeats_and_rejects(stores: Stores) -> None:
    events: list[Event] = []
    lines = [at(1), at(2), b"nonsense", at(1), line(3, schema_version="2.0")]
    outcome = ingest(pipeline(stores.traces(), events), lines)

    assert (outcome.traces, outcome.repeats, [reject.reason for reject in outcome.rejects]) == (
        2, 1, ["not_json", "unknown_schema_version"],
    )  # fmt: skip
    assert (ids(stores), stores.counts(FIRST)) == (["t1", "t2"], (2, 1, 2))
    assert [reject.reject.record.offset for reject in stores.traces().waiting_rejects(9)] == [2, 4]
    scored, event = events
    assert isinstance(scored, BatchScored)
    assert scored.statuses["abstention"] == {"ok": 2}
    assert scored.statuses["uncertainty.peak"] == {"insufficient_input": 2}
    assert isinstance(event, BatchStored)
    assert (event.traces, event.repeats) == (2, 1)
    assert event.rejects == Counter(not_json=1, unknown_schema_version=1)
    assert event.seconds.keys() == {"decode", "score", "summarise", "store"}
    assert all(seconds >= 0 for seconds in event.seconds.values())


def test_a_batch_of_rejects_alone_moves_the_offset(stores: Stores) -> None:
    outcome = ingest(pipeline(stores.traces()), [b"", b"[]"])

    assert (outcome.traces, len(outcome.rejects)) == (0, 2)
    assert stores.traces().positions({FIRST: 0}) == {FIRST: 2}


def test_a_producers_retry_is_counted_and_stored_once(stores: Stores) -> None:
    made = pipeline(stores.traces())
    ingest(made, [at(1), at(2)])
    outcome = ingest(made, [at(2), at(3), at(1), at(3)], first=2)

    assert (outcome.traces, outcome.repeats) == (1, 3)
    assert (ids(stores), stores.counts(FIRST)) == (["t1", "t2", "t3"], (3, 3, 0))


def test_a_batch_of_repeats_alone_moves_the_offset(stores: Stores) -> None:
    made = pipeline(stores.traces())
    ingest(made, [at(1), at(2)])
    outcome = ingest(made, [at(1), at(2)], first=2)

    assert (outcome.traces, outcome.repeats) == (0, 2)
    assert stores.traces().positions({FIRST: 0}) == {FIRST: 4}


def test_repeats_are_in_no_sum(stores: Stores) -> None:
    baseline = stores.baselines().activate(small_baseline(), no_sums)
    made = pipeline(stores.traces())
    ingest(made, [line(1), line(2)])
    ingest(made, [line(2), line(3), line(3)], first=2)
    (once,) = [part.sum for part in unit([line(1), line(2), line(3)], baseline=baseline).sums if part.segment.is_all]

    parts = stores.watches().parts(baseline, START, START + PANE)
    assert told(parts[Segment()]) == told(once)


def test_a_baseline_that_came_meanwhile_is_loaded_and_added_up_with(stores: Stores) -> None:
    made = pipeline(stores.traces())
    ingest(made, [line(1)])
    baseline = stores.baselines().activate(small_baseline(), no_sums)
    outcome = ingest(made, [line(2), line(3)], first=1)

    assert outcome.traces == 2
    assert made.baseline is not None
    assert made.baseline.version == 1
    assert stores.watches().parts(baseline, START, START + PANE)[Segment()].n == 2


def test_another_owner_stops_the_batch_and_nothing_is_stored(stores: Stores) -> None:
    mine, other = pipeline(stores.traces()), pipeline(stores.traces())
    ingest(other, [at(1)])

    with pytest.raises(Fenced):
        ingest(mine, [at(1), at(2), b"nonsense"])
    assert (ids(stores), stores.counts(FIRST)) == (["t1"], (1, 0, 0))


def test_a_trace_the_database_will_not_take_becomes_a_reject_with_its_words(stores: Stores) -> None:
    outcome = ingest(pipeline(stores.traces()), [at(1), line(2, **UNSTORABLE), at(3)])

    (reject,) = outcome.rejects
    assert (reject.reason, reject.message) == ("unstorable", "value overflows numeric format")
    assert (reject.record.offset, outcome.traces) == (1, 2)
    assert (ids(stores), stores.counts(FIRST)) == (["t1", "t3"], (2, 0, 1))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_repeat_and_an_unstorable_trace_in_one_batch_are_each_set_aside(
    stores: Stores, order: tuple[int, int]
) -> None:
    made = pipeline(stores.traces())
    ingest(made, [at(1)])
    pair = [at(1), line(2, **UNSTORABLE)]
    outcome = ingest(made, [*(pair[place] for place in order), at(3)], first=1)

    assert (outcome.traces, outcome.repeats, [reject.reason for reject in outcome.rejects]) == (1, 1, ["unstorable"])
    assert (ids(stores), stores.counts(FIRST)) == (["t1", "t3"], (2, 1, 1))


class Stubborn(MemoryTraceStore):
    """Refuses what it is given without a trace to blame."""

    def __init__(self, error: Exception) -> None:
        super().__init__(MemoryDatabase())
        self.error = error

    def commit(self, unit: Unit) -> None:
        raise self.error

    def known(self, keys: Sequence[Key]) -> set[Key]:
        return set()

    def unstorable(self, scored: Scored, received_at: datetime) -> Mapping[int, str]:
        return {}


@pytest.mark.parametrize("error", [Repeated("a key of ours"), Unstorable("some constraint")])
def test_a_refusal_nobody_is_to_blame_for_is_tried_again_later_not_at_once(error: Exception) -> None:
    with pytest.raises(Transient, match=str(error)):
        ingest(pipeline(Stubborn(error)), [at(1)])


def test_batches_of_any_size_store_and_add_up_the_same() -> None:
    lines = [at(n) for n in range(40)] + [at(7), b"nonsense", at(8)]
    outcomes = []
    for size in (1, 7, 43):
        stores = InMemory()
        stores.traces().positions({FIRST: 0})
        baseline = stores.baselines().activate(small_baseline(), no_sums)
        made = pipeline(stores.traces())
        for first in range(0, len(lines), size):
            ingest(made, lines[first : first + size], first=first)
        total = stores.watches().parts(baseline, START, START + PANE)[Segment()]
        outcomes.append((ids(stores), stores.counts(FIRST), total.n, total.total.round(6).tolist()))

    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert outcomes[0][1] == (40, 2, 1)
