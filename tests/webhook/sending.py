"""A sender, a message, and what receivers and name servers answer."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

from monitor.model.alert import Message
from monitor.webhook import Endpoint, WebhookConfig, WebhookSender

PAYLOAD = '{"type":"alert.firing","data":{"summary":"Größe"}}'.encode()
MESSAGE = Message("msg_1", "pager", "0123456789abcdef", PAYLOAD, attempts=0)
Resolver = Callable[[str, int], Sequence[str]]


def now() -> datetime:
    return datetime.now(UTC)


def sender(endpoint: Endpoint, **arguments: Any) -> WebhookSender:
    return WebhookSender(WebhookConfig((endpoint,)), **arguments)


def answers(code: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return answer


def resolver(*replies: Sequence[str]) -> tuple[Resolver, list[str]]:
    """A DNS that gives these replies one after the other, and the names it was asked for."""
    asked: list[str] = []

    def reply(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return replies[len(asked) - 1]

    return reply, asked
