"""A site under fire: consumers that die where they are told to, services that crash, and traffic all along."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

from monitor.baseline import Learner
from monitor.errors import Transient
from monitor.fitting import Learning
from monitor.kafka import topics
from monitor.kafka.sink import KafkaSink
from monitor.scoring import add_up, space_of
from monitor.storage import partitions
from monitor.storage.baselines import PostgresBaselineStore
from monitor.storage.engine import connect
from monitor.storage.migrate import migrate
from monitor.watch import Pace
from tests.delivery.audit import Audit, audited, log_end
from tests.delivery.fleet import Fall, Fleet
from tests.delivery.traffic import DIMENSION, MALFORMED, MODEL, Sent, Traffic
from tests.delivery.worker import PANE, WATCHED, Note, Orders

PARTITIONS = 6
HISTORY = 300
# Traces begin a day ago; those after the reference an hour later, so that no pane holds both.
GAP = 3_600
TICK_S = 0.05
# Every so many records: one that can't be read, and one that was sent before.
BAD_EVERY, REPEAT_EVERY = 40, 15
SMALL = sorted(set(MALFORMED) - {"too large", "nested too deep"})
# The ablation's database must not catch with its keys what the offsets let through.
KEYS = {"traces": "traces_pkey", "sums": "sums_pkey"}


@dataclass(frozen=True, slots=True)
class Services:
    """Where the site stands, and how its services crash and come back."""

    database_url: str
    bootstrap: str
    crash_database: Callable[[], object]
    crash_broker: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done to a site; crashes and new baselines come when that many consumers have been killed.

    Without the compare-and-set it is the ablation: no unique keys, and no producer that repeats itself.
    """

    falls: Sequence[Fall]
    compare_and_set: bool = True
    database_crashes: Sequence[int] = ()
    broker_crashes: Sequence[int] = ()
    new_baselines: Sequence[int] = ()
    rate: int = 200
    deadline_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a site; ``at_rest`` where the stored offsets are those of the topic's end after the last stop."""

    audit: Audit
    kills: Counter[str]
    zombies: Counter[str]
    fenced: int
    restarts: int
    exit_codes: Sequence[int]
    at_rest: bool
    seconds: float


class Site:
    """One topic, one database, two consumers."""

    def __init__(self, services: Services, plan: Plan, folder: Path) -> None:
        self.services, self.plan = services, plan
        journal = folder / "journal.jsonl"
        journal.touch()
        self.orders = Orders(
            "", services.database_url, services.bootstrap, f"delivery.{uuid4().hex[:12]}", str(journal),
            compare_and_set=plan.compare_and_set,
        )  # fmt: skip
        self.config = self.orders.config
        self.engine = connect(services.database_url)
        self.fleet = Fleet(self.orders, folder, deque(plan.falls), self.overtaken)
        self.sink = KafkaSink(self.config, self.config.topic)
        self.traffic = Traffic(datetime.now(UTC) - timedelta(days=1))
        self.watched_from = self.traffic.start + timedelta(seconds=GAP)
        self.next_number, self.next_bad = GAP, 0
        self.started = time.monotonic()

    def run(self) -> Outcome:
        """The whole plan, then quiet, then the count."""
        try:
            self.prepare()
            self.feed_while_busy()
            end = log_end(self.config)
            self.tend_until(lambda: self.caught_up(end), "all that was sent to be stored")
            self.fleet.stop()
            audit = audited(self.config, self.engine, watched_from=self.watched_from)
            at_rest = self.caught_up(end)
        finally:
            self.fleet.kill()
            self.sink.close()
            self.engine.dispose()
        fleet = self.fleet
        fenced = sum(note.what == "fenced" for note in fleet.notes())
        seconds = time.monotonic() - self.started
        return Outcome(
            audit, fleet.kills, fleet.zombies, fenced, fleet.restarts, fleet.exit_codes, at_rest, seconds
        )  # fmt: skip

    def prepare(self) -> None:
        """A schema, topics, and a reference of the first traces, which the first consumers store."""
        migrate(self.engine)
        if not self.plan.compare_and_set:
            with self.engine.begin() as connection:
                for table, key in KEYS.items():
                    connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {key}")
        partitions.ensure(self.engine, datetime.now(UTC), behind=timedelta(days=2))
        topics.ensure(self.config, partitions=PARTITIONS)
        self.send([self.traffic.good(number) for number in range(HISTORY)])
        self.tend_until(lambda: self.counted("sum(traces)") >= HISTORY, "the first traces to be stored")
        self.pin()

    def pin(self) -> None:
        """A new baseline in force, whatever the consumers hold of the old one."""
        learner = Learner(
            PostgresBaselineStore(self.engine),
            partial(add_up, watched=WATCHED, pane=PANE, limit=200),
            learning=Learning(HISTORY, WATCHED, replay=None),
            pace=Pace(pane=PANE),
            clock=lambda: datetime.now(UTC),
            emit=lambda _event: None,
            space=space_of(MODEL, DIMENSION),
        )
        learner.pin(where={"until": self.watched_from}, source="the first traces", limit=HISTORY, judged_from=None)

    def feed_while_busy(self) -> None:
        """Sends traffic and tends the consumers as long as a fall is to come."""
        last, told = time.monotonic(), 0
        while self.fleet.busy:
            self.in_time("the last fall")
            now = time.monotonic()
            self.send(self.portion(min(int((now - last) * self.plan.rate), self.plan.rate)))
            last = now
            self.fleet.tend()
            while told < self.fleet.kills.total():
                told += 1
                self.strike(told)
            time.sleep(TICK_S)

    def strike(self, killed: int) -> None:
        """What else the plan has for the moment when that many have been killed."""
        if killed in self.plan.database_crashes:
            self.services.crash_database()
        if killed in self.plan.broker_crashes:
            self.services.crash_broker()
        if killed in self.plan.new_baselines:
            self.pin()

    def portion(self, count: int) -> list[Sent]:
        """The next records: good ones, and at their times malformed ones and repeats, also on another partition."""
        made = []
        for number in range(self.next_number, self.next_number + count):
            made.append(self.traffic.good(number))
            if number % BAD_EVERY == 0:
                made.append(self.traffic.bad(SMALL[self.next_bad % len(SMALL)], self.next_bad))
                self.next_bad += 1
            if self.plan.compare_and_set and number % REPEAT_EVERY == 0:
                again = self.traffic.good(max(number - number % 7, GAP))
                key = again.key if number % 2 else b"elsewhere-" + again.key
                made.append(Sent(key, again.value, again.headers))
        self.next_number += count
        return made

    def send(self, records: Sequence[Sent]) -> None:
        """Until the broker has them: after a failure all once more, as producers do, which makes repeats."""
        while records:
            try:
                for record in records:
                    self.sink.send(record.key, record.value, record.headers)
                self.sink.flush()
                return
            except Transient:
                self.in_time("the broker to take records")

    def overtaken(self, note: Note) -> bool:
        """True where others have stored all of the batch that a frozen consumer holds."""
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT partition, next FROM offsets WHERE topic = %s", (self.config.topic,)
            )
            stands = {row.partition: row.next for row in found}
        return all(stands[partition] >= reached for partition, reached in note.held)

    def counted(self, what: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.exec_driver_sql(f"SELECT coalesce({what}, 0) FROM offsets").scalar_one())

    def caught_up(self, end: int) -> bool:
        """Every record is decided on, and every reject is in the dead-letter topic."""
        waiting = "(SELECT count(*) FROM rejects WHERE forwarded_at IS NULL)"
        return self.counted("sum(next)") == end and self.counted(f"max({waiting})") == 0

    def tend_until(self, fact: Callable[[], bool], what: str) -> None:
        while not fact():
            self.in_time(what)
            self.fleet.tend()
            time.sleep(TICK_S)

    def in_time(self, what: str) -> None:
        if time.monotonic() - self.started > self.plan.deadline_s:
            raise AssertionError(f"waited {self.plan.deadline_s} s for {what}; {self.fleet.last_words()}")
