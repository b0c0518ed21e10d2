"""A pager of the demo's own: takes webhooks on loopback and believes only those whose signature holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

PATH = "/pager"
BODY_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message whose signature was verified; ``payload`` is its body."""

    id: str
    payload: Mapping[str, Any]

    @property
    def type(self) -> str:
        return str(self.payload["type"])


@dataclass(slots=True)
class Receiver:
    """What came; a message that came twice is listed twice, and ``refused`` counts those with a wrong signature."""

    url: str
    arrivals: list[Arrival] = field(default_factory=list)
    refused: int = 0


@contextmanager
def receiving(secret: str) -> Iterator[Receiver]:
    """A receiver that listens until the block ends; it answers 204, or 401 to what was not signed with the secret."""
    webhook = Webhook(secret)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > BODY_BYTES:
                self.answer(411 if not length.isdecimal() else 413)
                return
            body = self.rfile.read(int(length))
            try:
                payload = webhook.verify(body, dict(self.headers.items()))
            except (WebhookVerificationError, ValueError):  # ValueError: what is neither base64 nor UTF-8 nor JSON
                receiver.refused += 1
                self.answer(401)
                return
            receiver.arrivals.append(Arrival(self.headers["webhook-id"], payload))
            self.answer(204)

        def answer(self, status: int) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """The demo tells of arrivals itself."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}{PATH}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
