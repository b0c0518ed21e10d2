"""The judge that goes on, whatever the store does."""

from collections.abc import Callable, Sequence

from monitor.errors import Transient
from monitor.events import Away, Back, Event, PanesJudged
from monitor.judging import Budget, Judge, run_judge
from monitor.model.record import PartitionState
from monitor.ports import WatchStore
from monitor.testing.database import MemoryDatabase
from monitor.testing.stores import MemoryWatchStore
from tests.site import PACE, Site
from tests.stores import (
    START,
    InMemory,
)


class Failing(MemoryWatchStore):
    """A store that is away when it is asked for partitions, so many times."""

    def __init__(self, database: MemoryDatabase, times: int) -> None:
        super().__init__(database)
        self.times = times

    def partitions(self) -> Sequence[PartitionState]:
        if self.times:
            self.times -= 1
            raise Transient("the database is away")
        return super().partitions()


def loop(store: WatchStore, *, rounds: int) -> tuple[list[Event], list[float]]:
    """What ``run_judge`` told, and how long it waited, in that many rounds."""
    events: list[Event] = []
    waited: list[float] = []
    judge = Judge(store, pace=PACE, budget=Budget(), clock=lambda: START, emit=events.append)
    learned: list[None] = []
    stopped: Callable[[], bool] = lambda: len(learned) >= rounds  # noqa: E731
    run_judge(judge, lambda: learned.append(None), emit=events.append, stopped=stopped, wait=waited.append)
    return events, waited


def test_the_loop_waits_longer_and_longer_for_a_store_that_is_away() -> None:
    stores = InMemory()
    Site(stores).learn()
    events, waited = loop(Failing(stores.database, times=6), rounds=7)

    assert waited[:6] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert next(event for event in events if isinstance(event, Away)) == Away("store", "the database is away", 1.0)
    assert [type(event) for event in events if isinstance(event, Away | Back)] == [Away] * 6 + [Back]


def test_the_loop_rests_only_when_nothing_is_due() -> None:
    stores = InMemory()
    site = Site(stores)
    site.learn()
    events, waited = loop(site.store, rounds=3)

    assert sum(isinstance(event, PanesJudged) for event in events) > 0
    assert waited == [1.0, 1.0]
