"""Continuous batching: one thread owns the model, and requests join and leave between two of its steps."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.events import GenerationFailed
from monitor.model.generation import Ask, Draw, Failed, Job, Step, Told
from monitor.ports import Clock, Emit, Seconds
from monitor.serving import Decoder
from monitor.worker.rows import Row, Words, rows_of

# Prompt tokens read between two steps: what is under way waits for no more than this, or for one prompt.
PROMPT_TOKENS = 512

Deliver = Callable[[Sequence[tuple[Job, Told]]], None]


@dataclass(slots=True)
class Counts:
    """What the scheduler did so far."""

    steps: int = 0
    rows: int = 0
    prompts: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    refused: int = 0
    cancelled: int = 0
    failed: int = 0


class Scheduler:
    """Jobs in, pieces of answers out.

    Requests wait in order of arrival; one joins when all rows it asks for are free. Rows that end leave at once, so
    that a step never computes one that has nothing to say.

    Args:
        decoder: the model; from now on only the thread in ``run`` touches it.
        words: what its tokens mean.
        waiting: most requests that may wait.
        deliver: told once a step what is new; called by the thread in ``run``.
    """

    def __init__(
        self,
        decoder: Decoder,
        words: Words,
        *,
        waiting: int,
        deliver: Deliver,
        timer: Seconds,
        clock: Clock,
        emit: Emit,
    ) -> None:
        self.decoder, self.words, self.most_waiting = decoder, words, waiting
        self.deliver, self.timer, self.clock, self.emit = deliver, timer, clock, emit
        self.waiting: deque[Job] = deque()
        self.rows: list[Row] = []
        self.changed = threading.Condition()
        self.counts = Counts()
        self.stopping = False
        self.mean_s = 1.0

    def submit(self, ask: Ask, mailbox: object) -> Job | None:
        """Put an ask in the queue; None where it is full."""
        job = Job(ask, mailbox, self.clock())
        job.clock.came = self.timer()
        with self.changed:
            if len(self.waiting) >= self.most_waiting or self.stopping:
                self.counts.refused += 1
                return None
            self.waiting.append(job)
            self.changed.notify()
        return job

    def cancel(self, job: Job) -> None:
        """Nobody waits for it any more: its rows leave before the next step."""
        with self.changed:
            job.cancelled = True
            self.changed.notify()

    def retry_after_s(self) -> int:
        """Whole seconds in which the queue will have moved by one, by how long requests took lately."""
        return max(1, math.ceil(self.mean_s / self.decoder.slots))

    def run(self) -> None:
        """Work until ``stop``; then what is under way fails."""
        while self.wait():
            self.turn()
        with self.changed:
            left = [*self.jobs(), *self.waiting]
            self.waiting.clear()
        self.fail(left, "the worker stops")

    def stop(self) -> None:
        with self.changed:
            self.stopping = True
            self.changed.notify()

    def wait(self) -> bool:
        """Sleep until there is something to do; False to stop."""
        with self.changed:
            while not (self.stopping or self.rows or self.waiting):
                self.changed.wait()
            return not self.stopping

    def turn(self) -> None:
        """Let requests leave and join, then take one step."""
        told: list[tuple[Job, Told]] = []
        try:
            self.leave()
            self.join(told)
            if self.rows:
                step = self.decoder.step([row.token for row in self.rows], self.draw(self.rows))
                self.counts.steps += 1
                self.counts.rows += len(self.rows)
                self.take(self.rows, step, told)
        except Exception as error:  # noqa: BLE001 - a model that fails must not take the worker with it
            self.fail(self.jobs(), f"{type(error).__name__}: {error}"[:500])
        if told:
            self.deliver(told)

    def leave(self) -> None:
        """Drop the rows of requests that nobody waits for."""
        with self.changed:
            gone = [job for job in self.waiting if job.cancelled]
            for job in gone:
                self.waiting.remove(job)
        self.counts.cancelled += len(gone)
        for job in gone:
            job.settle()
        left = {id(row.job): row.job for row in self.rows if row.job.cancelled}
        if left:
            self.keep([row for row in self.rows if not row.job.cancelled])
            self.counts.cancelled += len(left)
            for job in left.values():
                job.clock.ended = job.clock.ended or self.timer()
                job.settle()

    def join(self, told: list[tuple[Job, Told]]) -> None:
        """Read the prompts of those whose turn it is, while there is room and time."""
        room_tokens = PROMPT_TOKENS
        while (job := self.next_job()) is not None:
            job.clock.began = self.timer()
            free = self.decoder.slots - len(self.rows) - job.ask.choices
            joined = rows_of(job, min(job.ask.samples, free))
            job.open = len(joined)
            before, self.rows = self.rows, [*self.rows, *joined]
            step = self.decoder.prompt(job.ask.prompt, self.draw(joined))
            job.clock.first = self.timer()
            self.counts.prompts += 1
            self.counts.prompt_tokens += len(job.ask.prompt)
            self.take(joined, step, told)
            job.batch = len(before) + len(joined)
            room_tokens -= len(job.ask.prompt)
            if room_tokens <= 0:
                return

    def next_job(self) -> Job | None:
        with self.changed:
            if not self.waiting or self.waiting[0].ask.choices > self.decoder.slots - len(self.rows):
                return None
            return self.waiting.popleft()

    def draw(self, rows: Sequence[Row]) -> Draw:
        drawn = np.array([row.draw() for row in rows], np.float32)
        whole = any(row.top_p < 1 and row.temperature > 0 for row in rows)
        return Draw(drawn[:, 0], drawn[:, 1], whole)

    def take(self, rows: Sequence[Row], step: Step, told: list[tuple[Job, Told]]) -> None:
        """Give each row its token, and let those that ended leave."""
        for i, row in enumerate(rows):
            piece = row.take(step, i, self.words)
            if piece is not None:
                told.append((row.job, piece))
        self.counts.output_tokens += len(rows)
        ended = [row for row in rows if row.choice.finish is not None]
        if ended:
            self.keep([row for row in self.rows if row.choice.finish is None])
            for row in ended:
                self.close(row, told)

    def close(self, row: Row, told: list[tuple[Job, Told]]) -> None:
        """Note the end of a row; with the last one its job is settled."""
        job = row.job
        job.open -= 1
        if not row.silent and all(choice.finish for choice in job.choices[: job.ask.choices]):
            job.clock.ended = job.clock.ended or self.timer()
            self.mean_s += 0.1 * (job.clock.ended - job.clock.began - self.mean_s)
        if job.open == 0:
            # Whoever asked is told first: what is done with the trace must not make it wait.
            self.deliver(told)
            told.clear()
            job.settle()

    def keep(self, kept: Sequence[Row]) -> None:
        places = {id(row): place for place, row in enumerate(self.rows)}
        order = self.decoder.keep({places[id(row)] for row in kept})
        self.rows = [self.rows[place] for place in order]

    def jobs(self) -> list[Job]:
        return list({id(row.job): row.job for row in self.rows}.values())

    def fail(self, jobs: Sequence[Job], reason: str) -> None:
        """Tell those who wait that nothing comes any more."""
        self.decoder.keep(())
        self.rows = []
        for job in jobs:
            job.error = reason
            job.clock.ended = self.timer()
            self.counts.failed += 1
        if jobs:
            self.emit(GenerationFailed(len(jobs), reason))
            self.deliver([(job, Failed(reason)) for job in jobs])
        for job in jobs:
            job.settle()
