from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from urllib.parse import urlsplit

import httpx
import pytest
from standardwebhooks import Webhook

from monitor.demo.receiver import BODY_BYTES, receiving

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
BODY = '{"type":"alert.firing","data":{"summary":"all traffic: latency 0.5 → 1.2"}}'


def signed(body: str, *, secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    time = at or datetime.now(UTC)
    signature = Webhook(secret).sign(msg_id="msg_1", timestamp=time, data=body)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(time.timestamp())), "webhook-signature": signature}


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    return httpx.post(url, content=body, headers=headers, trust_env=False).status_code


def test_a_message_with_a_good_signature_is_taken() -> None:
    with receiving(SECRET) as receiver:
        status = post(receiver.url, BODY.encode(), signed(BODY))
    (arrival,) = receiver.arrivals
    assert (status, arrival.id, arrival.type) == (204, "msg_1", "alert.firing")
    assert arrival.payload["data"]["summary"] == "all traffic: latency 0.5 → 1.2"
    assert receiver.refused == 0


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY.replace("1.2", "0.5").encode(), signed(BODY)),  # changed on its way
        (BODY.encode(), signed(BODY, secret=OTHER)),
        (BODY.encode(), signed(BODY, at=datetime.now(UTC) - timedelta(minutes=6))),  # sent again by someone
        (BODY.encode(), {}),
        (BODY.encode(), signed(BODY) | {"webhook-signature": "v1"}),
        (b"\xff", signed(BODY)),
    ],
)
def test_a_message_that_was_not_signed_by_us_is_refused_and_counted(body: bytes, headers: dict[str, str]) -> None:
    with receiving(SECRET) as receiver:
        status = post(receiver.url, body, headers)
    assert (status, receiver.arrivals, receiver.refused) == (401, [], 1)


def test_a_signed_text_that_is_no_json_is_refused() -> None:
    with receiving(SECRET) as receiver:
        status = post(receiver.url, b"hello", signed("hello"))
    assert (status, receiver.arrivals, receiver.refused) == (401, [], 1)


def test_a_body_of_unknown_or_absurd_size_is_not_read() -> None:
    with receiving(SECRET) as receiver:
        chunked = httpx.post(receiver.url, content=iter([b"a"]), trust_env=False).status_code
        huge = HTTPConnection(urlsplit(receiver.url).netloc)
        huge.putrequest("POST", "/pager")
        huge.putheader("Content-Length", str(BODY_BYTES + 1))
        huge.endheaders()
        status = huge.getresponse().status
        huge.close()
    assert (chunked, status) == (411, 413)


def test_it_no_longer_listens_after_the_block() -> None:
    with receiving(SECRET) as receiver:
        pass
    with pytest.raises(httpx.ConnectError):
        post(receiver.url, BODY.encode(), signed(BODY))
