"""Answers are judged beside the panes: waiting for a language model holds up neither these nor the traces."""

from __future__ import annotations

from contextlib import closing
from time import perf_counter
from typing import Protocol

import sqlalchemy as sa

from monitor.events import Started
from monitor.llmjudge.turns import AnswerJudge, judge_answers
from monitor.ports import Emit
from monitor.settings import Settings
from monitor.storage.judged import PostgresJudgedStore
from monitor.wiring.parts import clock


class Stopping(Protocol):
    """Says when to end, and wakes who waits for it."""

    def __call__(self) -> bool: ...
    def wait(self, seconds: float, /) -> None: ...


def run_answers(found: Settings, database: sa.Engine, stopped: Stopping, emit: Emit) -> None:
    """Judges answers until stopped."""
    from monitor.llmjudge.client import JudgeClient

    emit(Started("judge of answers", f"{found.judge.model}, at most {found.judge.per_minute} a minute"))
    with closing(JudgeClient(found.judge)) as client:
        asking = AnswerJudge(
            PostgresJudgedStore(database), client.ask, found.judge, clock=clock, timer=perf_counter, emit=emit
        )
        judge_answers(asking, stopped=stopped, wait=stopped.wait)
