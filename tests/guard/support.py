"""What tests of the guard share: policies as text, and engines with the real instruments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import perf_counter

from detectors.score import Score
from monitor.events import Event
from monitor.guard.engine import Engine
from monitor.guard.plan import OfText, Plan, planned
from monitor.guard.policy import Policy
from monitor.guard.reading import parse
from monitor.settings import Settings
from monitor.wiring.guarding import Instruments

START = datetime(2026, 5, 1, tzinfo=UTC)


def policy(rules: str, *, head: str = "") -> Policy:
    """A policy whose rules are given as YAML, each line an item."""
    lines = "".join(f"  - {line.strip()}\n" for line in rules.strip().splitlines())
    return parse(f"version: 1\nname: tested\n{head}\nrules:\n{lines}".encode(), "here")


class Given(Instruments):
    """The real instruments, but for classifiers: those are functions of this test."""

    def __init__(self, checks: Mapping[str, Callable[[str], Score]]) -> None:
        super().__init__(Settings())
        self.checks = checks

    def classifier(self, folder: str, label: str) -> OfText:
        return self.checks[folder]


def plan(rules: str, *, head: str = "", **checks: Callable[[str], Score]) -> Plan:
    return planned(policy(rules, head=head), Given(checks))


def engine(*plans: Plan, threads: int = 2, events: list[Event] | None = None) -> Engine:
    emitted = [] if events is None else events
    return Engine(plans, threads=threads, timer=perf_counter, clock=lambda: START, emit=emitted.append)
