"""Some stored answers at a time: claim, ask, keep what was said.

Beside the consumer, never in its way: a judge that is slow, away or dear costs no other score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from detectors.score import Score, failed
from monitor.errors import DriftwardenError, Transient
from monitor.events import Away, Back, BatchScored
from monitor.llmjudge.config import JudgeConfig
from monitor.llmjudge.question import Question, question_of, score_of
from monitor.ports import Clock, Emit, JudgedStore, Seconds

NAME = "judge"
# What the budget does not reach within this is left: the newest answers come first.
WINDOW = timedelta(minutes=10)
AT_ONCE = 4
POLL_S = 2.0
STORE = "database of the judge of answers"

Ask = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class AnswerJudge:
    """Judges answers of a store by asking an endpoint."""

    store: JudgedStore
    ask: Ask
    config: JudgeConfig
    clock: Clock
    timer: Seconds
    emit: Emit

    def turn(self) -> int:
        """Judges at most ``AT_ONCE`` answers; how many. Each ends with a score, whatever the endpoint does."""
        began, now = self.timer(), self.clock()
        claimed = self.store.claim(
            now, since=WINDOW, share=self.config.share, per_minute=self.config.per_minute, limit=AT_ONCE
        )
        questions = {key: question_of(trace, self.config) for key, trace in claimed}
        to_ask = {each.digest: each for each in questions.values() if isinstance(each, Question)}
        known = self.store.known(list(to_ask))
        asked = self.answers({digest: each for digest, each in to_ask.items() if digest not in known})
        statuses: Counter[str] = Counter()
        for key, question in questions.items():
            if isinstance(question, Score):
                self.store.settle(key, question, digest=None, requests=0)
                statuses[question.status] += 1
                continue
            # The first answer with this question pays for the request.
            requests = int(question.digest not in known)
            score = known.setdefault(question.digest, asked.get(question.digest, failed("the judge was not asked")))
            self.store.settle(key, score, digest=question.digest, requests=requests)
            statuses[score.status] += 1
        if claimed:
            self.emit(BatchScored({NAME: self.timer() - began}, {NAME: statuses}))
        return len(claimed)

    def answers(self, questions: Mapping[str, Question]) -> dict[str, Score]:
        """What the endpoint says to each, side by side."""
        if not questions:
            return {}
        with ThreadPoolExecutor(len(questions), thread_name_prefix="ask") as pool:
            return dict(zip(questions, pool.map(self.answer, questions.values()), strict=True))

    def answer(self, question: Question) -> Score:
        try:
            return score_of(self.ask(question.body), question)
        except Transient as error:
            return failed(str(error))


def judge_answers(judge: AnswerJudge, *, stopped: Callable[[], bool], wait: Callable[[float], object]) -> None:
    """Until stopped; waits where no answer is due or the database is away."""
    failures = 0
    while not stopped():
        try:
            done = judge.turn()
            if failures:
                failures = 0
                judge.emit(Back(STORE))
            if not done:
                wait(POLL_S)
        except DriftwardenError as error:
            failures += 1
            wait_s = min(2.0**failures, 60.0)
            judge.emit(Away(STORE, str(error), wait_s))
            wait(wait_s)
