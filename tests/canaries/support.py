"""An endpoint by value: answers that a test writes down, in place of one over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from detectors.shift import Position
from monitor.canaries.client import Endpoint
from monitor.canaries.config import CanaryConfig
from monitor.canaries.running import Canaries
from monitor.events import Event
from monitor.model.canary import Answer, Canary, Turn
from monitor.storage.canaries import PostgresCanaryStore
from monitor.wiring.canaries import quality
from tests.stores import InPostgres

START = datetime(2090, 5, 1, 12, tzinfo=UTC)


def golden(number: int, expected: str = "Five days.") -> Canary:
    messages = (Turn("user", f"What about {number}?"),)
    return Canary(name=f"golden-{number:02}", messages=messages, expected=(expected,) if expected else ())


def answer(text: str = "Five days.", *, off: float = 0.0, build: str | None = "bot:1") -> Answer:
    """An answer of two tokens whose log-probabilities are off by so many nats."""
    positions = [Position("Five", {"Five": -0.1 - off, "Six": -3.0 + off}), Position("days", {"days": -0.01 - off})]
    return Answer("ok", None, text, "stop", positions, build, "bot", 0.1)


@dataclass
class Scripted:
    """Says to every prompt what ``says`` holds now."""

    says: Callable[[Canary], Answer] = lambda _canary: answer()
    model: str = "bot"
    asked: list[str] = field(default_factory=list)

    def find(self) -> Endpoint:
        return Endpoint(self.model, takes_context=True)

    def ask(self, canary: Canary, endpoint: Endpoint) -> Answer:
        assert endpoint.model == self.model
        self.asked.append(canary.name)
        return self.says(canary)


@dataclass
class Site:
    """Canaries to a scripted endpoint, kept in a real Postgres; a canary a minute."""

    real: InPostgres
    endpoint: Scripted = field(default_factory=Scripted)
    events: list[Event] = field(default_factory=list)
    config: CanaryConfig = field(default_factory=lambda: CanaryConfig(url="http://127.0.0.1/v1", repeats=3))
    at: datetime = START

    @property
    def store(self) -> PostgresCanaryStore:
        return PostgresCanaryStore(self.real.engine, endpoints=["pager"])

    def clock(self) -> datetime:
        self.at += timedelta(minutes=1)
        return self.at

    def canaries(self, **given: object) -> Canaries:
        config = replace(self.config, **given) if given else self.config  # type: ignore[arg-type]
        number = iter(range(1000))
        return Canaries(
            self.store, self.endpoint, config, quality, self.clock, self.events.append,
            lambda: f"alert_{next(number)}",
        )  # fmt: skip

    def send(self, count: int) -> None:
        canaries = self.canaries()
        for _ in range(count):
            canaries.turn()

    def row(self, sql: str) -> Mapping[str, object]:
        (found,) = self.real.rows(sql)
        return dict(found._mapping)
