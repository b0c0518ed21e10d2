"""People with questions: they ask the assistant over its API, some at a time, and are told what it said."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import msgspec
import numpy as np

from monitor.demo.answers import UNKNOWN
from monitor.demo.knowledge import Knowledge, Passage, Template, worded
from monitor.demo.retrieval import Library
from monitor.demo.scenario import UNANSWERED, Visitor, next_visitor
from monitor.errors import DriftwardenError, Transient
from monitor.model.trace import Document

Outcome = Literal["right", "honest", "stopped", "wrong"]
"""The page's own sentence; "I don't know" where no page found has it; stopped by the guard; anything else."""

OUTCOMES: tuple[Outcome, ...] = ("right", "honest", "wrong", "stopped")
ASKERS = 4
MAX_TOKENS = 96
AHEAD = 100
POLL_S = 0.05
PATIENCE_S = 60.0
SHARE_OF_TOPIC = 0.8


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, by whom, and the sentence that answers; None where no page does."""

    text: str
    visitor: Visitor
    page: Passage | None
    answer: str | None


@dataclass(slots=True)
class Questions:
    """An endless row of questions; the same seed gives the same, as long as ``topic`` is set at the same places.

    While there is a ``topic``, eight in ten questions are about it.
    """

    pages: Knowledge
    random: np.random.Generator
    topic: str | None = None
    visitors: list[Visitor] = field(default_factory=list)

    def next(self) -> Question:
        visitor = next_visitor(self.random, self.visitors)
        options = self.options()
        template = options[int(self.random.integers(len(options)))]
        text = worded(self.random, template)
        page = None if template.passage is None else self.pages.passages[template.passage]
        return Question(text, visitor, page, None if page is None else page.points[template.point])

    def options(self) -> tuple[Template, ...]:
        templates = self.pages.unanswered if self.random.random() < UNANSWERED else self.pages.answered
        if self.topic is not None and self.random.random() < SHARE_OF_TOPIC:
            return tuple(template for template in templates if template.topic == self.topic)
        return templates


@dataclass(slots=True)
class Crowd:
    """Askers on threads; ``stored`` says how many answers have become traces, and nobody runs far ahead of them.

    A worker that is away is asked again, as a good client does.
    """

    url: str
    model: str
    questions: Questions
    library: Library
    stored: Callable[[], int]
    asked: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    failure: Exception | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            with httpx.Client(base_url=self.url, timeout=30.0, trust_env=False) as client:
                while (question := self.turn()) is not None:
                    found = self.library.search(question.text)
                    outcome = judged(self.ask(client, question, found), question, found)
                    with self.lock:
                        self.outcomes[outcome] += 1
        except (DriftwardenError, httpx.HTTPError, KeyError, ValueError) as error:
            self.failure = error

    def turn(self) -> Question | None:
        """The next question when there is room for one; None when it is time to stop."""
        while not self.stopping.is_set():
            with self.lock:
                if self.asked - self.stored() < AHEAD:
                    self.asked += 1
                    return self.questions.next()
            self.stopping.wait(POLL_S)
        return None

    def ask(self, client: httpx.Client, question: Question, found: list[Document]) -> dict[str, Any]:
        """The worker's choice; waits for one that is being replaced."""
        until = time.monotonic() + PATIENCE_S
        body = msgspec.json.encode(asking(self.model, question, found))
        while True:
            try:
                answer = client.post("/chat/completions", content=body, headers={"Content-Type": "application/json"})
            except httpx.TransportError as error:
                if time.monotonic() > until or self.stopping.is_set():
                    raise Transient(f"the worker at {self.url} does not answer: {error}") from error
            else:
                if answer.status_code not in (429, 503):
                    answer.raise_for_status()
                    choice: dict[str, Any] = answer.json()["choices"][0]
                    return choice
            time.sleep(POLL_S)

    def turned(self, topic: str | None) -> None:
        """From now on most questions are about this topic, or about anything."""
        with self.lock:
            self.questions.topic = topic

    def counted(self) -> tuple[int, Counter[Outcome]]:
        """How many questions were asked so far, and what came of them."""
        with self.lock:
            return self.asked, self.outcomes.copy()

    def check(self) -> None:
        """Raises what an asker met."""
        if self.failure is not None:
            raise self.failure


def asking(model: str, question: Question, found: list[Document]) -> dict[str, Any]:
    """The request as an application makes it: OpenAI's, and what only the application knows."""
    visitor = question.visitor
    segment = {
        "tenant": visitor.tenant, "user_id": visitor.user_id, "session_id": visitor.session_id,
        "labels": {"channel": visitor.channel},
    }  # fmt: skip
    return {
        "model": model,
        "messages": [{"role": "user", "content": question.text}],
        "temperature": 0,
        "max_tokens": MAX_TOKENS,
        "driftwarden": {
            "context": found,
            "trace": {"segment": segment, "retrieval": {"query": question.text, "k": len(found)}},
        },
    }


def judged(choice: dict[str, Any], question: Question, found: list[Document]) -> Outcome:
    if choice["finish_reason"] == "content_filter":
        return "stopped"
    said = choice["message"]["content"].strip()
    if question.page is not None and any(document.id == question.page.id for document in found):
        return "right" if said == question.answer else "wrong"
    return "honest" if said == UNKNOWN[0] else "wrong"


@contextmanager
def asking_crowd(crowd: Crowd) -> Iterator[Crowd]:
    """The crowd asks until the block ends."""
    threads = [threading.Thread(target=crowd.run, daemon=True) for _ in range(ASKERS)]
    for thread in threads:
        thread.start()
    try:
        yield crowd
    finally:
        crowd.stopping.set()
        for thread in threads:
            thread.join()
