import base64
import json
import socket
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from monitor.model.alert import Delivered, Message, Refused, Retry
from monitor.outbox import notify
from monitor.testing.outbox import MemoryOutbox
from tests.webhook.sending import MESSAGE, PAYLOAD, answers, now, sender


@pytest.mark.parametrize("code", [200, 201, 204])
def test_a_message_arrives_signed(receiver: Any, code: int) -> None:
    receiver.answer = answers(code)
    outcome = sender(receiver.endpoint()).send(MESSAGE, now())

    (request,) = receiver.got
    verified = Webhook(receiver.endpoint().secret).verify(request.body, request.headers)
    assert outcome == Delivered(code)
    assert verified == json.loads(PAYLOAD)
    assert request.body == PAYLOAD
    assert request.path == "/hook?team=a"
    kept = {name.lower(): value for name, value in request.headers.items()}
    assert kept["webhook-id"] == "msg_1"
    assert kept["content-type"] == "application/json"
    assert kept["user-agent"] == "driftwarden"
    assert kept["host"] == f"127.0.0.1:{receiver.port}"


def test_another_secret_does_not_verify(receiver: Any) -> None:
    sender(receiver.endpoint()).send(MESSAGE, now())

    (request,) = receiver.got
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook("whsec_" + base64.b64encode(b"x" * 32).decode()).verify(request.body, request.headers)


def test_each_attempt_is_signed_anew_under_the_same_id(receiver: Any) -> None:
    first = now()
    sender(receiver.endpoint()).send(MESSAGE, first)
    sender(receiver.endpoint()).send(MESSAGE, first + timedelta(seconds=7))

    one, two = ({name.lower(): value for name, value in request.headers.items()} for request in receiver.got)
    assert one["webhook-id"] == two["webhook-id"] == "msg_1"
    assert int(two["webhook-timestamp"]) - int(one["webhook-timestamp"]) == 7
    assert one["webhook-signature"] != two["webhook-signature"]
    assert receiver.got[0].body == receiver.got[1].body


def test_the_time_of_another_zone_is_signed_as_utc(receiver: Any) -> None:
    sender(receiver.endpoint()).send(MESSAGE, now().astimezone(timezone(timedelta(hours=9))))

    (request,) = receiver.got
    assert Webhook(receiver.endpoint().secret).verify(request.body, request.headers) == json.loads(PAYLOAD)


def test_a_naive_time_is_a_mistake(receiver: Any) -> None:
    with pytest.raises(ValueError, match="expected an aware time"):
        sender(receiver.endpoint()).send(MESSAGE, datetime(2025, 1, 1))  # noqa: DTZ001


def test_an_unknown_endpoint_is_refused(receiver: Any) -> None:
    other = Message("msg_2", "nobody", "0", PAYLOAD, attempts=0)

    assert sender(receiver.endpoint()).send(other, now()) == Refused("endpoint nobody is not configured")


def test_a_payload_that_is_no_text_is_refused(receiver: Any) -> None:
    outcome = sender(receiver.endpoint()).send(Message("msg_2", "pager", "0", b"\xff", attempts=0), now())

    assert isinstance(outcome, Refused)
    assert outcome.reason.startswith("the payload is not UTF-8")
    assert receiver.got == []


@pytest.mark.parametrize("code", [400, 401, 404, 422, 500, 502, 504])
def test_other_statuses_are_tried_again(receiver: Any, code: int) -> None:
    receiver.answer = answers(code)

    assert sender(receiver.endpoint()).send(MESSAGE, now()) == Retry(f"HTTP {code}", code)


def test_gone_is_refused_for_good(receiver: Any) -> None:
    receiver.answer = answers(410)

    outcome = sender(receiver.endpoint()).send(MESSAGE, now())
    assert outcome == Refused("HTTP 410: the receiver wants no more messages", 410, gone=True)


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize(
    ("asked", "after_s"), [("120", 120), ("0", 0), ("86400", 3_600), ("9" * 400, 3_600), ("soon", None), ("-5", None)]
)
def test_retry_after_in_seconds_is_honoured_up_to_an_hour(
    receiver: Any, code: int, asked: str, after_s: float | None
) -> None:
    receiver.answer = answers(code, Retry_After=asked)

    assert sender(receiver.endpoint()).send(MESSAGE, now()) == Retry(f"HTTP {code}", code, after_s)


@pytest.mark.parametrize(("ahead_s", "after_s"), [(90, 90), (-90, 0), (90_000, 3_600)])
def test_retry_after_as_a_date_is_honoured_up_to_an_hour(receiver: Any, ahead_s: int, after_s: float) -> None:
    at = now().replace(microsecond=0)
    receiver.answer = answers(429, Retry_After=format_datetime(at + timedelta(seconds=ahead_s), usegmt=True))

    assert sender(receiver.endpoint()).send(MESSAGE, at) == Retry("HTTP 429", 429, after_s)


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver: Any, code: int) -> None:
    receiver.answer = answers(code, Location=f"http://127.0.0.1:{receiver.port}/elsewhere")
    outcome = sender(receiver.endpoint()).send(MESSAGE, now())

    assert outcome == Retry(f"HTTP {code}: redirects are not followed; put the new address in url", code)
    assert [request.path for request in receiver.got] == ["/hook?team=a"]


def test_no_answer_in_time_is_tried_again(receiver: Any) -> None:
    receiver.answer = lambda handler: receiver.stopping.wait(10)
    began = time.monotonic()
    outcome = sender(receiver.endpoint(timeout_s=0.2)).send(MESSAGE, now())
    took_s = time.monotonic() - began
    receiver.stopping.set()

    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("no answer within 0.2 s")
    assert took_s < 3


def test_headers_that_drip_do_not_stretch_the_time_limit(receiver: Any) -> None:
    """Each byte comes well within the limit; all of them would take minutes."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        while not receiver.stopping.wait(0.05):
            handler.wfile.write(b"a")

    receiver.answer = drip
    began = time.monotonic()
    outcome = sender(receiver.endpoint(timeout_s=0.4)).send(MESSAGE, now())
    took_s = time.monotonic() - began
    receiver.stopping.set()

    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("no answer within 0.4 s")
    assert took_s < 3


def test_an_endless_body_is_cut_and_the_status_counts(receiver: Any) -> None:
    written = 0

    def flood(handler: BaseHTTPRequestHandler) -> None:
        nonlocal written
        handler.send_response(200)
        handler.end_headers()
        while not receiver.stopping.is_set():
            written += handler.wfile.write(b"x" * 65_536)

    receiver.answer = flood
    outcome = sender(receiver.endpoint(timeout_s=20)).send(MESSAGE, now())
    receiver.stopping.set()

    assert outcome == Delivered(200)
    assert written < 50_000_000  # what the kernel's buffers took, far from what 20 s on loopback would bring


def test_endless_headers_are_tried_again(receiver: Any) -> None:
    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X-Flood: 1\r\n" * 20_000 + b"\r\n")

    receiver.answer = flood

    assert isinstance(sender(receiver.endpoint()).send(MESSAGE, now()), Retry)


def test_an_answer_that_is_not_http_is_tried_again(receiver: Any) -> None:
    receiver.answer = lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    outcome = sender(receiver.endpoint()).send(MESSAGE, now())

    assert isinstance(outcome, Retry)
    assert outcome.status is None


def test_a_connection_refused_is_tried_again(receiver: Any) -> None:
    with socket.socket() as bound:  # bound and not listening: nobody else can take the port meanwhile
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        outcome = sender(receiver.endpoint(url=url)).send(MESSAGE, now())

    assert isinstance(outcome, Retry)
    assert "Connection refused" in outcome.reason


def test_an_alert_reaches_a_receiver_that_was_down_once_it_is_back(receiver: Any) -> None:
    """The whole way, in simulated time near the real one, since the receiver checks the age of a signature."""
    start = at = now()
    outbox = MemoryOutbox()
    outbox.put(MESSAGE, start)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        back = at > start + timedelta(seconds=30)
        answers(200 if back else 502)(handler)

    def wait(seconds: float) -> None:
        nonlocal at
        at += timedelta(seconds=seconds)

    receiver.answer = answer
    notify(
        outbox,
        sender(receiver.endpoint()),
        clock=lambda: at,
        emit=lambda event: None,
        stopped=lambda: outbox.entry(MESSAGE.id).due_at is None,
        wait=wait,
    )

    bad = Retry("HTTP 502", 502)
    assert outbox.entry(MESSAGE.id).outcomes == [bad, bad, bad, Delivered(200)]
    assert start + timedelta(seconds=30) < at < start + timedelta(seconds=60)
    for request in receiver.got:
        assert Webhook(receiver.endpoint().secret).verify(request.body, request.headers) == json.loads(PAYLOAD)
