import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import Queue

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from monitor.errors import Permanent
from monitor.web.server import serve

SCRIPT = """
import signal, sys, threading, time
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from monitor.web.server import serve

def slow(request):
    print("asked", flush=True)
    time.sleep(1)
    return PlainTextResponse("whole")

stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
app = Starlette(routes=[Route("/", slow)])
serve(app, host="127.0.0.1", port=0, stopped=stopped, listening=lambda address: print(address, flush=True))
print("done", flush=True)
"""


def greet(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


def test_it_answers_until_it_is_told_to_stop() -> None:
    stopped = threading.Event()
    addresses: Queue[str] = Queue()
    app = Starlette(routes=[Route("/", greet)])
    thread = threading.Thread(
        target=lambda: serve(app, host="127.0.0.1", port=0, stopped=stopped, listening=addresses.put)
    )
    thread.start()
    address = addresses.get(timeout=30)
    told = httpx.get(address, trust_env=False).text
    stopped.set()
    thread.join(timeout=30)
    assert told == "hello"
    assert not thread.is_alive()
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, trust_env=False)


def test_sigterm_lets_requests_under_way_finish() -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        answers: list[str] = []
        asking = threading.Thread(target=lambda: answers.append(httpx.get(address, timeout=30, trust_env=False).text))
        asking.start()
        assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGTERM)
        asking.join()
        assert process.wait(timeout=30) == 0
        assert process.stdout.read() == "done\n"
    assert answers == ["whole"]


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Permanent, match=rf"can't listen on 127\.0\.0\.1:{port}"):
            serve(Starlette(), host="127.0.0.1", port=port, stopped=threading.Event())


def test_an_idle_connection_does_not_hold_the_stop_back() -> None:
    stopped = threading.Event()
    addresses: Queue[str] = Queue()
    app = Starlette(routes=[Route("/", greet)])
    thread = threading.Thread(
        target=lambda: serve(app, host="127.0.0.1", port=0, stopped=stopped, listening=addresses.put)
    )
    thread.start()
    with httpx.Client(trust_env=False) as client:
        client.get(addresses.get(timeout=30))
        before = time.monotonic()
        stopped.set()
        thread.join(timeout=30)
    assert time.monotonic() - before < 5
