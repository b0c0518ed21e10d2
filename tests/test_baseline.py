from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import numpy as np
import pytest

from monitor.errors import Permanent
from monitor.events import BaselineActivated, SegmentsLeftOut
from monitor.fitting import SEGMENT_MINIMUM
from monitor.model.baseline import Baseline
from monitor.model.build import build_of
from monitor.model.record import Progress
from monitor.model.scored import PaneSum, Scored
from monitor.model.segment import Segment
from monitor.storage import history
from tests.learned import WANTED, Learned, time_of, traffic
from tests.stores import (
    FIRST,
    KINDS_OF_STORES,
    PANE,
    SECOND,
    START,
    InPostgres,
    Stores,
    adding_up,
    decoded,
    line,
    opened,
    scored,
    small_baseline,
    unit,
)

ALL, ACME = Segment(), Segment.of(tenant="acme")


@pytest.fixture(params=KINDS_OF_STORES)
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    with opened(request) as found:
        found.traces().positions({FIRST: 0})
        yield found


def commit(stores: Stores, numbers: range, baseline: Baseline | None = None) -> None:
    at = time_of(numbers.stop)
    first = numbers.start
    stores.traces().commit(unit(traffic(numbers), first=first, baseline=baseline, at=at))


def test_too_few_traces_teach_nothing(stores: Stores) -> None:
    commit(stores, range(WANTED - 1))
    learned = Learned(stores, at=time_of(WANTED))

    assert learned.learner.learn() is None
    assert learned.events == []


def test_the_first_traces_are_learned_once_their_panes_are_closed(stores: Stores) -> None:
    commit(stores, range(WANTED))
    learned = Learned(stores, at=time_of(WANTED))
    early = learned.learner.learn()  # the newest panes may still grow
    commit(stores, range(WANTED, WANTED + 30))
    baseline = learned.learner.learn()

    assert early is None
    assert baseline is not None
    assert (baseline.version, baseline.traces, baseline.source) == (1, WANTED, f"learned: the first {WANTED} traces")
    assert (baseline.since, baseline.until) == (START, time_of(WANTED - 1))
    assert baseline.judged_from == baseline.until
    assert learned.events == [BaselineActivated(1, baseline.source, WANTED, 3)]
    assert learned.learner.learn() is None


def test_signals_that_are_not_to_be_watched_get_no_reference(stores: Stores) -> None:
    commit(stores, range(WANTED + 30))
    learned = Learned(stores, at=time_of(WANTED + 30))
    learned.learner.learning = replace(learned.learner.learning, unwatched=("response.tokens",))
    baseline = learned.learner.learn()

    assert baseline is not None
    for references in baseline.references.values():
        assert "response.tokens" not in references
        assert "response.characters" in references


def test_a_third_of_the_panes_shapes_the_maps_and_the_baseline_knows_which(stores: Stores) -> None:
    commit(stores, range(WANTED + 30))
    baseline = Learned(stores, at=time_of(WANTED + 30)).learner.learn()

    assert baseline is not None
    assert len(set(baseline.shaped)) == len(baseline.shaped) == WANTED // 10 // 3
    assert set(baseline.shaped) < {START + pane * PANE for pane in range(WANTED // 10)}


def test_quiet_traffic_is_learned_too(stores: Stores) -> None:
    """Nothing more may come: then what is there is complete."""
    commit(stores, range(WANTED))
    quiet = time_of(WANTED) + timedelta(minutes=2)
    stores.traces().seen([Progress(FIRST, WANTED, WANTED, WANTED)], quiet)
    baseline = Learned(stores, at=quiet).learner.learn()

    assert baseline is not None
    assert baseline.traces == WANTED


def test_a_partition_that_lags_is_waited_for(stores: Stores) -> None:
    commit(stores, range(WANTED + 60))
    stores.traces().positions({SECOND: 0})
    stores.traces().seen([Progress(SECOND, 0, 0, 10)], time_of(WANTED))

    assert Learned(stores, at=time_of(WANTED + 60)).learner.learn() is None


def test_segments_with_enough_traces_get_a_reference(stores: Stores) -> None:
    commit(stores, range(WANTED + 30))
    baseline = Learned(stores, at=time_of(WANTED + 30)).learner.learn()
    build = build_of(decoded(traffic(range(1)))[0].trace)

    assert baseline is not None
    assert baseline.references.keys() == {ALL, ACME, Segment.of(build=build)}  # 150 traces of the other one
    assert WANTED // 3 < SEGMENT_MINIMUM < 2 * WANTED // 3
    assert baseline.references[ALL].keys() == baseline.references[ACME].keys() == baseline.stack.maps.keys()
    assert baseline.references[ACME]["response.tokens"].n == 2 * WANTED // 3
    assert "time_to_first_token" not in baseline.stack.maps  # nobody measured it
    assert {"response.tokens", "finish_reason", "abstention"} <= baseline.stack.maps.keys()


def test_all_traces_after_the_reference_are_in_the_sums_once(stores: Stores) -> None:
    """Those stored before the baseline came, those stored after, and those of a batch that was caught between."""
    commit(stores, range(WANTED + 30))
    baseline = Learned(stores, at=time_of(WANTED + 30)).learner.learn()
    assert baseline is not None
    commit(stores, range(WANTED + 30, WANTED + 47), baseline)
    commit(stores, range(WANTED + 47, WANTED + 60), baseline)

    expected = adding_up(scored(traffic(range(WANTED, WANTED + 60))), baseline)
    parts = stores.watches().parts(baseline, START, time_of(WANTED + 600))
    for segment in (ALL, ACME, Segment.of(tenant="small")):
        added = sum((part.sum.total for part in expected if part.segment == segment), np.zeros(baseline.stack.size))
        assert parts[segment].n == sum(part.sum.n for part in expected if part.segment == segment)
        assert np.allclose(parts[segment].total, added, rtol=1e-12, atol=1e-6)
    assert parts[ALL].n == 60


def test_traces_are_added_up_page_by_page(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many a new baseline judges; ties of time, and of time and tenant, fall on both sides of a page's end."""
    monkeypatch.setattr(history, "PAGE", 7)
    real = InPostgres(database_url)
    real.traces().positions({FIRST: 0})
    lines = [line(n, START + timedelta(seconds=n // 10), tenant=f"t{n // 3 % 2}") for n in range(10, 45)]
    real.traces().commit(unit(lines))
    sizes: list[int] = []

    def add_up(later: Scored, baseline: Baseline) -> Sequence[PaneSum]:
        sizes.append(len(later))
        return adding_up(later, baseline)

    baseline = real.baselines().activate(small_baseline(), add_up)
    parts = real.watches().parts(baseline, START, START + PANE)
    real.close()
    whole = {part.segment: part.sum for part in adding_up(scored(lines), baseline)}
    assert sizes == [7, 7, 7, 7, 7, 0]
    assert {segment: total.n for segment, total in parts.items()} == {
        segment: total.n for segment, total in whole.items()
    }
    assert np.allclose(parts[ALL].total, whole[ALL].total)


def test_a_late_trace_of_the_time_of_the_reference_is_in_no_sum(stores: Stores) -> None:
    commit(stores, range(WANTED + 30))
    baseline = Learned(stores, at=time_of(WANTED + 30)).learner.learn()
    assert baseline is not None
    late = unit([line(9000, START), line(9001, time_of(WANTED))], first=WANTED + 30, baseline=baseline)
    stores.traces().commit(late)

    parts = stores.watches().parts(baseline, START - PANE, time_of(WANTED + 600))
    assert parts[ALL].n == 30 + 1


def test_a_person_pins_traces_and_says_from_when_they_judge(stores: Stores) -> None:
    commit(stores, range(WANTED + 30))
    learned = Learned(stores, at=time_of(WANTED + 30))
    where = {"since": time_of(100), "until": time_of(400)}
    to_end = learned.learner.pin(where=where, source="a good hour", limit=10_000, judged_from=None)
    later = learned.learner.pin(where=where, source="again", limit=250, judged_from=time_of(420))

    assert (to_end.version, to_end.traces, to_end.source) == (1, 300, "a good hour")
    assert (to_end.since, to_end.until, to_end.judged_from) == (time_of(100), time_of(399), time_of(399))
    assert (later.version, later.traces, later.until, later.judged_from) == (2, 250, time_of(349), time_of(420))
    parts = stores.watches().parts
    assert parts(to_end, START, time_of(9000))[ALL].n == WANTED + 30 - 400
    assert parts(later, START, time_of(9000))[ALL].n == WANTED + 30 - 421


def test_too_few_traces_make_no_pin(stores: Stores) -> None:
    commit(stores, range(SEGMENT_MINIMUM))
    learner = Learned(stores, at=time_of(300)).learner

    with pytest.raises(Permanent, match="reference: expected at least 200 traces, found 199 for a range"):
        learner.pin(where={"until": time_of(199)}, source="a range", limit=1000, judged_from=None)
    assert stores.baselines().baseline() is None


def test_the_same_traces_teach_the_same(stores: Stores) -> None:
    commit(stores, range(WANTED + 30))
    pin = partial(
        Learned(stores, at=time_of(WANTED + 30)).learner.pin, where={}, source="x", limit=400, judged_from=None
    )
    first, second = pin(), pin()

    def means(baseline: Baseline) -> Sequence[float]:
        return [float(value) for reference in baseline.references[ACME].values() for value in reference.mean]

    assert means(first) == means(second)


def test_a_baseline_tells_the_builds_it_is_of(stores: Stores) -> None:
    commit(stores, range(WANTED + 30))
    baseline = Learned(stores, at=time_of(WANTED + 30)).learner.learn()

    assert baseline is not None
    assert baseline.builds == (build_of(decoded(traffic(range(1)))[0].trace),)
    assert baseline.run_lengths is None  # nothing was replayed


def test_after_a_baseline_was_cleared_the_next_is_learned_from_what_came_since(stores: Stores) -> None:
    commit(stores, range(WANTED + 30))
    learned = Learned(stores, at=time_of(WANTED + 30))
    first = learned.learner.learn()
    cleared = learned.learner.clear()
    early = learned.learner.learn()
    commit(stores, range(WANTED + 30, 2 * WANTED + 60), cleared)
    second = Learned(stores, at=time_of(2 * WANTED + 60)).learner.learn()

    assert first is not None
    assert (cleared.version, cleared.cleared, cleared.until) == (2, True, time_of(WANTED + 29))
    assert early is None
    assert second is not None
    assert (second.version, second.since, second.until) == (3, time_of(WANTED + 30), time_of(2 * WANTED + 29))
    assert second.source == f"learned: the first {WANTED} traces after {time_of(WANTED + 29):%Y-%m-%d %H:%M} UTC"
    assert stores.watches().parts(cleared, START, time_of(9000)) == {}


def test_traces_of_another_embedding_model_make_no_pin(stores: Stores) -> None:
    """Neither while the baseline in force is of it, nor, once that was cleared, those that were stored before."""
    commit(stores, range(WANTED))
    learned = Learned(stores, at=time_of(WANTED))
    learned.learner.space = "old/2"
    pin = partial(learned.learner.pin, source="x", limit=400, judged_from=None)
    pin(where={})
    learned.learner.space = "new/2"

    with pytest.raises(
        Permanent, match=r"baseline 1 was made of embeddings of old/2, but .* those of new/2: set .* or"
    ):
        pin(where={})
    learned.learner.clear()
    with pytest.raises(Permanent, match=r"the traces up to .* carry embeddings of another model than new/2: choose"):
        pin(where={})
    commit(stores, range(WANTED, 2 * WANTED), stores.baselines().baseline())
    assert pin(where={"since": time_of(WANTED)}).space == "new/2"


def test_over_the_limit_the_largest_segments_have_a_reference_and_the_others_are_named(stores: Stores) -> None:
    commit(stores, range(WANTED + 30))
    learned = Learned(stores, at=time_of(WANTED + 30))
    learned.learner.learning = replace(learned.learner.learning, segment_limit=2)
    baseline = learned.learner.learn()

    assert baseline is not None
    assert baseline.references.keys() == {ALL, Segment.of(build=baseline.builds[0])}
    assert baseline.left_out == (ACME,)  # 300 traces; the other tenant has too few anyway
    assert learned.events[-1] == SegmentsLeftOut(1, "tenant=acme", 1, 2)
