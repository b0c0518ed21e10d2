"""A tap over loopback before a real worker, or before a small server that a test says the words of."""

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import openai

from monitor.settings import Settings
from monitor.tap import TapConfig
from monitor.telemetry import Telemetry
from monitor.testing.sources import MemorySink
from monitor.web.server import serve
from monitor.wiring.tapping import Tapping, tapping
from tests.web.worker.support import DEADLINE_S


@dataclass
class TapSite:
    """A running tap: ``address`` ends without a slash."""

    tap: Tapping
    address: str
    traces: MemorySink
    feedback: MemorySink

    def client(self, key: str = "any") -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.address}/v1", api_key=key, max_retries=0, timeout=DEADLINE_S)

    def until(self, fact: Callable[[], bool]) -> bool:
        """Whether a fact comes true in time; other threads make it so."""
        waiting = threading.Event()
        return any(fact() or waiting.wait(0.01) for _ in range(int(DEADLINE_S * 100)))


Tapped = Callable[..., TapSite]


@contextmanager
def before(upstream: str, sinks: Mapping[str, Any] | None = None, **given: Any) -> Iterator[TapSite]:
    """A tap before an address, with settings of a test's own."""
    found = Settings(tap=TapConfig(upstream=upstream, port=0, **{"trace_delay_s": 0.02, **given}), kafka=None)
    traces, feedback = MemorySink(), MemorySink()
    telemetry = Telemetry("tap", json_logs=True, stream=io.StringIO())
    over, addresses = threading.Event(), Queue[str]()
    with tapping(found, telemetry, sinks=sinks or {"traces": traces, "feedback": feedback}) as tap:  # type: ignore[arg-type]
        server = threading.Thread(
            target=lambda: serve(tap.app, host="127.0.0.1", port=0, stopped=over, listening=addresses.put, relays=True)
        )
        server.start()
        try:
            yield TapSite(tap, addresses.get(timeout=DEADLINE_S), traces, feedback)
        finally:
            over.set()
            server.join()
    telemetry.close()


@dataclass
class Call:
    """A request that reached a spoken server."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Spoken:
    """A server that says what a test tells it to: ``say`` gets a call and the handler to answer it by."""

    say: Callable[[Call, BaseHTTPRequestHandler], None]
    address: str = ""
    calls: list[Call] = field(default_factory=list)

    def asked(self) -> list[Call]:
        """What came, but for the tap's own look at the models."""
        return [call for call in self.calls if call.path != "/v1/models"]


@contextmanager
def speaking(say: Callable[[Call, BaseHTTPRequestHandler], None]) -> Iterator[Spoken]:
    made = Spoken(say)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            size = int(self.headers.get("content-length", 0))
            call = Call(self.command, self.path, dict(self.headers.items()), self.rfile.read(size))
            made.calls.append(call)
            if self.path == "/v1/models":
                reply(self, 200, {"object": "list", "data": [{"id": "m", "owned_by": "vllm"}]})
            else:
                made.say(call, self)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def reply(handler: BaseHTTPRequestHandler, status: int, content: Any, **headers: str) -> None:
    """Answer with JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def start_stream(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()


def write(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """A piece of a stream; an empty one ends it."""
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))


def nobody() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def chunk(text: str, **more: Any) -> bytes:
    """An event of a stream."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return b"data: " + json.dumps({"id": "c1", "model": "m", "choices": [choice], **more}).encode() + b"\n\n"
