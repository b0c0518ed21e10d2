"""Judging stored answers: a real Postgres, and a server on loopback that speaks chat completions."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from monitor.errors import Transient
from monitor.events import BatchScored, Event, Started
from monitor.llmjudge.client import JudgeClient
from monitor.llmjudge.config import JudgeConfig
from monitor.llmjudge.turns import AnswerJudge, judge_answers
from monitor.settings import Settings
from monitor.storage.judged import PostgresJudgedStore, forget
from monitor.wiring import answers
from monitor.wiring.roles import Stop
from tests.stores import FIRST, START, InPostgres, line, unit

PASSAGE = {"id": "a", "text": "The bridge opened in 1932."}


@dataclass
class Endpoint:
    """A judge that finds every sentence with "pink" in it unsupported; ``status`` and ``wait`` make it fail."""

    status: int = 200
    stuck: threading.Event | None = None
    seen: list[tuple[str, str | None, dict[str, Any]]] = field(default_factory=list)

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        sentences = json.loads(body["messages"][1]["content"])["sentences"]
        verdicts = [
            {"sentence": each["number"], "verdict": "unsupported" if "pink" in each["text"] else "supported"}
            for each in sentences
        ]
        content = json.dumps({"verdicts": verdicts})
        return {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}


@pytest.fixture
def endpoint() -> Iterator[tuple[Endpoint, str]]:
    told = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            told.seen.append((self.path, self.headers["authorization"], body))
            if told.stuck is not None:
                told.stuck.wait(30)
            answer = json.dumps(told.reply(body)).encode()
            self.send_response(told.status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield told, f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def real(database_url: str) -> Iterator[InPostgres]:
    real = InPostgres(database_url)
    real.traces().positions({FIRST: 0})
    yield real
    real.close()


def store(real: InPostgres, *answers: str, **fields: Any) -> None:
    lines = [line(n, response=text, **{"context": [PASSAGE], **fields}) for n, text in enumerate(answers)]
    real.traces().commit(unit(lines))


@dataclass
class Judging:
    real: InPostgres
    config: JudgeConfig
    events: list[Event] = field(default_factory=list)
    late: timedelta = timedelta(0)

    def turn(self) -> int:
        client = JudgeClient(self.config)
        try:
            return self.judge(client).turn()
        finally:
            client.close()

    def judge(self, client: JudgeClient) -> AnswerJudge:
        return AnswerJudge(
            PostgresJudgedStore(self.real.engine), client.ask, self.config,
            clock=lambda: START + self.late, timer=lambda: 0.0, emit=self.events.append,
        )  # fmt: skip

    def scores(self) -> list[tuple[Any, ...]]:
        return [
            tuple(row)
            for row in self.real.rows(
                "SELECT id, value, status, reason, spans FROM v_scores WHERE score = 'judge' ORDER BY id"
            )
        ]


@pytest.fixture
def judging(real: InPostgres, endpoint: tuple[Endpoint, str]) -> Judging:
    return Judging(real, JudgeConfig(url=endpoint[1], model="small", token="t0ken", share=1.0, timeout_s=5.0))


def test_answers_have_the_score_judge(judging: Judging, endpoint: tuple[Endpoint, str]) -> None:
    store(judging.real, "It opened in 1932.", "It opened in 1932. It is pink.", "I don't know.")
    done = judging.turn()

    assert done == 3
    assert judging.scores() == [
        ("t0", 0.0, "ok", None, []),
        ("t1", 1.0, "ok", None, [[19, 30]]),
        ("t2", None, "abstained", "the answer only declines", []),
    ]
    assert {(path, token) for path, token, _ in endpoint[0].seen} == {("/v1/chat/completions", "Bearer t0ken")}
    (event,) = judging.events
    assert isinstance(event, BatchScored)
    assert event.statuses == {"judge": {"ok": 2, "abstained": 1}}
    assert judging.turn() == 0


def test_answers_without_context_are_not_judged(judging: Judging) -> None:
    store(judging.real, "It is pink.", context=[])
    assert judging.turn() == 0


def test_the_same_question_is_asked_once(judging: Judging, endpoint: tuple[Endpoint, str]) -> None:
    same = line(8, response="It is pink.", context=[PASSAGE], prompt="Well?")
    judging.real.traces().commit(unit([same, line(9, response="It is pink.", context=[PASSAGE], prompt="Well?")]))
    assert judging.turn() == 2
    judging.real.traces().commit(unit([line(7, response="It is pink.", context=[PASSAGE], prompt="Well?")], first=2))
    assert judging.turn() == 1

    assert len(endpoint[0].seen) == 1
    assert [row[1] for row in judging.scores()] == [1.0, 1.0, 1.0]


def test_the_budget_of_a_minute_is_kept_over_all_judges(judging: Judging, endpoint: tuple[Endpoint, str]) -> None:
    store(judging.real, *(f"Answer {n}." for n in range(9)))
    judging.config = replace(judging.config, per_minute=3)
    other = Judging(judging.real, judging.config)
    first = [judging.turn(), other.turn(), judging.turn()]
    judging.late = timedelta(seconds=61)
    later = [judging.turn(), judging.turn()]

    assert (first, later) == ([3, 0, 0], [3, 0])
    assert len(endpoint[0].seen) == 6


def test_old_answers_are_left(judging: Judging) -> None:
    store(judging.real, "It is pink.")
    judging.late = timedelta(minutes=10)
    assert judging.turn() == 0


def test_a_share_of_the_answers_is_chosen_by_their_ids(judging: Judging) -> None:
    store(judging.real, *(f"Answer {n}." for n in range(80)))
    judging.config = replace(judging.config, share=0.1, per_minute=1000)
    while judging.turn():
        pass
    chosen = [f"t{n}" for n in range(80) if int(md5(f"t{n}".encode()).hexdigest()[:8], 16) < 0.1 * 2**32]
    assert [row[0] for row in judging.scores()] == sorted(chosen)
    assert 3 <= len(chosen) <= 16


@pytest.mark.parametrize(("status", "reason"), [(429, "HTTP 429"), (500, "HTTP 500"), (302, "HTTP 302")])
def test_a_refusal_of_the_endpoint_is_an_error_with_its_status(
    judging: Judging, endpoint: tuple[Endpoint, str], status: int, reason: str
) -> None:
    endpoint[0].status = status
    store(judging.real, "It is pink.")
    judging.turn()
    assert judging.scores() == [("t0", None, "error", f"the judge's endpoint answered {reason}", [])]


def test_an_endpoint_that_hangs_is_an_error_within_the_timeout(
    judging: Judging, endpoint: tuple[Endpoint, str]
) -> None:
    endpoint[0].stuck = threading.Event()
    judging.config = replace(judging.config, timeout_s=0.2)
    store(judging.real, "It is pink.")
    judging.turn()
    endpoint[0].stuck.set()
    assert judging.scores() == [("t0", None, "error", "no answer from the judge within 0.2 s", [])]


def test_an_endpoint_that_is_away_is_an_error(judging: Judging) -> None:
    judging.config = replace(judging.config, url="http://127.0.0.1:9/v1")
    store(judging.real, "It is pink.")
    judging.turn()
    ((_, value, status, reason, _),) = judging.scores()
    assert (value, status) == (None, "error")
    assert reason.startswith("the judge's endpoint is away: ConnectError")


def test_a_judge_that_dies_leaves_an_error_and_has_spent_its_request(judging: Judging) -> None:
    def dies(_body: bytes) -> bytes:
        raise KeyboardInterrupt

    store(judging.real, "It is pink.")
    judge = replace(judging.judge(JudgeClient(judging.config)), ask=dies)
    with pytest.raises(KeyboardInterrupt):
        judge.turn()
    assert judging.scores() == [("t0", None, "error", "the judge ended before it said anything", [])]
    assert judging.turn() == 0


def test_the_role_judges_until_it_is_stopped(judging: Judging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "clock", lambda: START)
    judging.real.traces().commit(unit([line(1, response="It is pink.", context=[PASSAGE])]))
    stop = Stop()

    def emit(event: Event) -> None:
        judging.events.append(event)
        if isinstance(event, BatchScored):
            stop.event.set()

    answers.run_answers(Settings(judge=judging.config), judging.real.engine, stop, emit)
    assert judging.events[0] == Started("judge of answers", "small, at most 10 a minute")
    assert judging.scores() == [("t1", 1.0, "ok", None, [[0, 11]])]


def test_a_database_that_is_away_is_waited_for() -> None:
    class Away:
        def claim(self, *_: Any, **__: Any) -> Any:
            raise Transient("the database is away")

    waits: list[float] = []
    judge = AnswerJudge(
        Away(), bytes, JudgeConfig(), clock=lambda: START, timer=lambda: 0.0, emit=lambda _: None  # type: ignore[arg-type]
    )  # fmt: skip
    judge_answers(judge, stopped=lambda: len(waits) > 2, wait=waits.append)
    assert waits == [2.0, 4.0, 8.0]


def test_what_was_said_of_traces_that_are_gone_goes_too(judging: Judging) -> None:
    store(judging.real, "It is pink.")
    judging.turn()
    forget(judging.real.engine, START + timedelta(seconds=1))
    assert judging.real.rows("SELECT * FROM judgements") == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"url": "ftp://x"}, "judge url: expected http://HOST"),
        ({"url": "http://x/v1"}, "judge model: expected the name of a model"),
        ({"share": 0.0}, "judge share: expected over 0 and at most 1, got 0"),
        ({"per_minute": 0}, "judge per_minute: expected at least 1, got 0"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        JudgeConfig(**wrong)
