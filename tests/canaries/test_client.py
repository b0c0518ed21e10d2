"""Requests over loopback to a server that says what a test wants it to."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import perf_counter
from typing import Any

import pytest

from monitor.canaries.client import CanaryClient, Endpoint
from monitor.canaries.config import CanaryConfig
from monitor.errors import Transient
from monitor.model.canary import Canary, Turn

CANARY = Canary(
    name="refunds", messages=(Turn("system", "Be kind."), Turn("user", "How long?")), context=("A page.", "B page."),
    expected=("Five days.",),
)  # fmt: skip
HERE = Endpoint("bot", takes_context=True)


@dataclass
class Server:
    status: int = 200
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    stuck: threading.Event | None = None
    models: Any = field(default_factory=lambda: {"data": [{"id": "bot", "owned_by": "driftwarden"}]})
    list_status: int = 200
    seen: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    url: str = ""

    def client(self, **given: Any) -> CanaryClient:
        return CanaryClient(CanaryConfig(url=self.url, **given), perf_counter)


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(told.list_status, told.models, {})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            told.seen.append((dict(self.headers), body))
            if told.stuck is not None:
                told.stuck.wait(30)
            self.reply(told.status, told.content, told.headers)

        def reply(self, status: int, content: Any, headers: dict[str, str]) -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever, args=(0.02,))
    thread.start()
    told.url = f"http://127.0.0.1:{served.server_port}/v1"
    yield told
    served.shutdown()
    thread.join()
    served.server_close()


def completion(**given: Any) -> dict[str, Any]:
    column = {
        "token": "Five", "logprob": -0.1, "bytes": [70, 105, 118, 101],
        "top_logprobs": [{"token": "Six", "logprob": -9999.0, "bytes": None}],
    }  # fmt: skip
    choice = {"message": {"content": "Five\0 days."}, "finish_reason": "stop", "logprobs": {"content": [column] * 20}}
    return {"choices": [choice], "model": "bot", "system_fingerprint": "bot:1", **given}


def test_an_answer_is_read_with_the_log_probabilities_of_its_first_tokens(server: Server) -> None:
    server.content = completion()
    client = server.client(token="sixteen-characters", top_logprobs=2, max_tokens=9)
    found = client.ask(CANARY, HERE)
    client.close()
    assert (found.status, found.text, found.build, found.model) == ("ok", "Five\ufffd days.", "bot:1", "bot")
    assert len(found.positions) == 16
    assert found.positions[0].best == {"Five": -0.1, "Six": -50.0}
    headers, body = server.seen[0]
    assert (headers["x-driftwarden-traced"], headers["authorization"]) == ("false", "Bearer sixteen-characters")
    assert body == {
        "model": "bot", "temperature": 0, "seed": 0, "max_tokens": 9, "logprobs": True, "top_logprobs": 2,
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "How long?"}],
        "driftwarden": {"context": ["A page.", "B page."]},
    }  # fmt: skip


def test_passages_go_before_the_question_where_the_endpoint_knows_no_others(server: Server) -> None:
    server.content = completion()
    client = server.client(top_logprobs=0)
    client.ask(CANARY, Endpoint("bot", takes_context=False))
    client.close()
    body = server.seen[0][1]
    assert body["messages"][-1]["content"] == "A page.\n\nB page.\n\nHow long?"
    assert {"driftwarden", "logprobs", "top_logprobs"}.isdisjoint(body)


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [
        (429, {"error": {"message": "the queue is full"}}, ("busy", "HTTP 429: the queue is full", 7.0)),
        (503, b"", ("away", "HTTP 503", 7.0)),
        (404, {"error": "no"}, ("refused", "HTTP 404", 7.0)),
        (302, b"", ("refused", "HTTP 302", 7.0)),
        (200, b"<html>", ("unreadable", "JSON is malformed: invalid character (byte 0)", None)),
        (200, {"choices": []}, ("unreadable", "expected a choice, got none", None)),
        (200, {"choices": [{"message": {"content": "Hi."}}]}, ("ok", "no log-probabilities", None)),
    ],
)
def test_whatever_comes_back_is_an_answer(
    server: Server, status: int, content: Any, expected: tuple[str, str, float | None]
) -> None:
    server.status, server.content, server.headers = status, content, {"retry-after": "7"}
    client = server.client()
    found = client.ask(CANARY, HERE)
    client.close()
    assert (found.status, found.reason, found.after_s) == expected


def test_an_endpoint_that_is_late_or_not_there_is_told_apart(server: Server) -> None:
    server.stuck = threading.Event()
    late = server.client(timeout_s=0.05)
    found = late.ask(CANARY, HERE)
    server.stuck.set()
    late.close()
    assert (found.status, found.reason) == ("timeout", "no answer within 0.05 s")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    away = CanaryClient(CanaryConfig(url=f"http://127.0.0.1:{port}/v1"), perf_counter)
    found = away.ask(CANARY, HERE)
    with pytest.raises(Transient, match="models: ConnectError"):
        away.find()
    away.close()
    assert found.status == "away"


def test_the_model_is_the_only_one_unless_one_is_named(server: Server) -> None:
    client, named = server.client(), server.client(model="other")
    assert client.find() == Endpoint("bot", takes_context=True)
    assert named.find() == Endpoint("other", takes_context=False)
    server.models = {"data": [{"id": "a"}, {"id": "b"}]}
    with pytest.raises(Transient, match="expected one model, got 2"):
        client.find()
    server.list_status = 404
    assert named.find() == Endpoint("other", takes_context=False)
    server.list_status = 503
    with pytest.raises(Transient, match="models: HTTP 503"):
        named.find()
    client.close()
    named.close()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"url": "ftp://x"}, "expected http://HOST"),
        ({"every_s": -1}, "every_s: expected 0 to 86400, got -1"),
        ({"alpha": 0}, "alpha: expected over 0 and at most 0.5, got 0"),
        ({"repeats": 1}, "repeats: expected 2 to 100, got 1"),
        ({"top_logprobs": 21}, "top_logprobs: expected 0 to 20, got 21"),
    ],
)
def test_a_wrong_setting_says_its_limit(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        CanaryConfig(**given)
