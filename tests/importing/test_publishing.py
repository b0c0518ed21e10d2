from __future__ import annotations

import socket
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import uvicorn
from fastapi import FastAPI

from monitor.errors import Permanent, Transient
from monitor.importing import HttpSink, Imported, Pace, RowError, publish
from monitor.importing.http import Retries, seconds_asked
from monitor.importing.row import RowError as Failed
from monitor.web.ingest import IngestAnswer, routes
from tests.importing.conftest import Receiver


def made(count: int) -> list[Imported]:
    return [Imported(i, f"t{i}", b'{"id":"t%d"}' % i) for i in range(count)]


def test_records_go_in_batches_of_five_hundred_lines(receiver: Receiver) -> None:
    seen: list[Imported | RowError] = []
    sink = HttpSink(receiver.url, api_key="secret")
    rows = [*made(1100), Failed(1101, "bad")]
    summary = publish(rows, sink, seen.append, Pace())
    sink.close()
    assert [len(body.splitlines()) for body in receiver.bodies] == [500, 500, 100]
    assert [trace["id"] for trace in receiver.traces] == [f"t{i}" for i in range(1100)]
    assert set(receiver.paths) == {"/v1/traces"}
    assert receiver.headers[0]["Content-Type"] == "application/x-ndjson"
    assert receiver.headers[0]["Authorization"] == "Bearer secret"
    assert (summary.published, summary.failed, summary.errors) == (1100, 1, (Failed(1101, "bad"),))
    assert seen == rows


def test_a_batch_is_also_bounded_in_bytes(receiver: Receiver) -> None:
    sink = HttpSink(receiver.url)
    for _ in range(3):
        sink.send(b"k", b"x" * (3 * 2**20), {})
    sink.flush()
    sink.close()
    assert [len(body) for body in receiver.bodies] == [3 * 2**20 + 1] * 3


def test_a_busy_server_is_waited_for_as_long_as_it_says(receiver: Receiver) -> None:
    receiver.answers[:] = [(429, {"Retry-After": "3"}), (503, {}), (503, {"Retry-After": "9999"})]
    waits: list[float] = []
    sink = HttpSink(receiver.url, retries=Retries(sleep=waits.append))
    sink.send(b"k", b"{}", {})
    sink.flush()
    sink.close()
    assert waits == [3.0, 1.0, 60.0]
    assert receiver.bodies == [b"{}\n"]


def test_a_server_that_stays_busy_is_transient(receiver: Receiver) -> None:
    receiver.answers[:] = [(503, {})] * 2
    sink = HttpSink(receiver.url, retries=Retries(attempts=2, sleep=lambda _: None))
    sink.send(b"k", b"{}", {})
    with pytest.raises(Transient, match="in 2 attempts: 503 not now"):
        sink.flush()
    sink.flush()  # what was not taken still waits, and goes when the server is back
    sink.close()
    assert receiver.bodies == [b"{}\n"]


def test_a_refusal_is_permanent_and_not_tried_again(receiver: Receiver) -> None:
    receiver.answers[:] = [(401, {})]
    sink = HttpSink(receiver.url)
    sink.send(b"k", b"{}", {})
    with pytest.raises(Permanent, match="refused the records: 401 not now"):
        sink.flush()
    sink.close()
    assert receiver.bodies == []


def test_nobody_at_the_address_is_transient() -> None:
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        waits: list[float] = []
        sink = HttpSink(f"http://127.0.0.1:{taken.getsockname()[1]}", retries=Retries(attempts=3, sleep=waits.append))
        sink.send(b"k", b"{}", {})
        with pytest.raises(Transient, match=r"in 3 attempts: .*refused"):
            sink.flush()
        sink.close()
    assert waits == [0.5, 1.0]


def test_retry_after_may_be_a_date() -> None:
    asked = seconds_asked(format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True))
    assert asked is not None
    assert 95 < asked <= 100


def test_the_rate_holds_records_back(receiver: Receiver) -> None:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    sink = HttpSink(receiver.url)
    summary = publish(made(21), sink, lambda _: None, Pace(10.0, lambda: clock[0], sleep))
    sink.close()
    assert summary.seconds == pytest.approx(2.0)
    assert str(summary) == "21 traces published in 2.0 s (10 traces/s); every row went."


def test_the_ingest_routes_of_the_sidecar_understand_the_batches() -> None:
    taken: list[tuple[bytes, str]] = []

    def ingest(body: bytes, media_type: str) -> IngestAnswer:
        taken.append((body, media_type))
        return IngestAnswer(stored=1, repeats=1, rejected=[(3, "too_large", "record: at most 9 bytes, got 12")])

    app = FastAPI()
    app.include_router(routes(ingest))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 20
        while not server.started and time.monotonic() < until:
            time.sleep(0.01)
        address = server.servers[0].sockets[0].getsockname()
        sink = HttpSink(f"http://127.0.0.1:{address[1]}/v1/traces/")
        with closing(sink):
            publish(made(3), sink, lambda _: None, Pace())
    finally:
        server.should_exit = True
        thread.join()
    assert taken == [(b'{"id":"t0"}\n{"id":"t1"}\n{"id":"t2"}\n', "application/x-ndjson")]
    assert (sink.stored, sink.repeats, sink.rejected) == (1, 1, 1)
    assert sink.rejections[0].message == "record: at most 9 bytes, got 12"


def test_an_address_that_is_no_sidecar_is_permanent(receiver: Receiver) -> None:
    receiver.answers[:] = [(204, {})]
    sink = HttpSink(receiver.url)
    sink.send(b"k", b"{}", {})
    with pytest.raises(Permanent, match="does not answer like a sidecar"):
        sink.flush()
    sink.close()
