"""A row of the batch: one answer that grows by a token a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.model.generation import Choice, Finish, Job, Piece, Step
from monitor.worker.drawing import nucleus
from monitor.worker.writing import Writer


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """What tokens mean: the bytes of each, and those that end an answer."""

    spelt: Sequence[bytes]
    ends: frozenset[int]


@dataclass(slots=True, eq=False)
class Row:
    """``place`` is the choice's among those of its job; a ``silent`` one is a sample for the trace.

    ``token`` is the newest, ``uniform`` the number it was drawn by.
    """

    job: Job
    place: int
    choice: Choice
    writer: Writer
    rng: np.random.Generator
    temperature: float
    top_p: float
    silent: bool
    uniform: float = 0.0
    token: int = 0
    told: int = 0

    def take(self, step: Step, i: int, words: Words) -> Piece | None:
        """The token that a step chose for this row, and what there is to tell of it."""
        token, logprob = int(step.token[i]), float(step.logprob[i])
        if step.whole is not None and self.top_p < 1 and self.temperature > 0:
            token = nucleus(step.whole[i], self.temperature, self.top_p, self.uniform)
            logprob = float(step.whole[i, token])
        self.token = token
        if token in words.ends:
            return self.end("stop", "")
        choice = self.choice
        choice.ids.append(token)
        choice.starts.append(self.writer.length)
        choice.logprob.append(logprob)
        choice.entropy.append(float(step.entropy[i]))
        choice.top.add(step.top_ids[i], step.top_logprobs[i])
        said = self.writer.feed(words.spelt[token])
        if self.writer.stopped:
            choice.cut(self.writer.length)
            return self.end("stop", said)
        if len(choice.ids) >= self.job.ask.most_tokens:
            return self.end("length", said)
        choice.text += said
        if not said or self.silent or not self.job.ask.streams:
            return None
        return Piece(self.place, said, self.shown())

    def shown(self) -> int:
        """How many tokens begin in what was given out; what is held back may yet be cut."""
        starts, out = self.choice.starts, self.writer.length - len(self.writer.held)
        while self.told < len(starts) and starts[self.told] < out:
            self.told += 1
        return self.told

    def end(self, finish: Finish, said: str) -> Piece | None:
        said += self.writer.finish()
        self.choice.text += said
        self.choice.finish = finish
        return None if self.silent else Piece(self.place, said, len(self.choice.ids), finish)

    def draw(self) -> tuple[float, float]:
        """Temperature and uniform number of the next token; a row that is not greedy uses one number a token."""
        if self.temperature > 0:
            self.uniform = float(self.rng.random())
        return self.temperature, self.uniform


def rows_of(job: Job, samples: int) -> list[Row]:
    """The rows of a job: its choices, then so many samples for the trace. A seed gives each row its own numbers."""
    ask = job.ask
    made = []
    for place in range(ask.choices + samples):
        silent = place >= ask.choices
        choice = Choice()
        job.choices.append(choice)
        rng = np.random.default_rng(None if ask.seed is None else (ask.seed % 2**64, place))
        heat, mass = (ask.sample_temperature, 1.0) if silent else (ask.temperature, ask.top_p)
        made.append(Row(job, place, choice, Writer(ask.stop), rng, heat, mass, silent))
    return made
