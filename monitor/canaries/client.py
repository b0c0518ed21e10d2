"""One request to the endpoint: its reply, or what went wrong."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import msgspec

from monitor.canaries.config import CanaryConfig
from monitor.canaries.reading import Models, answer_of, asking_for
from monitor.errors import Transient
from monitor.model.canary import Answer, Canary, Sent
from monitor.ports import Seconds

MOST_BYTES = 2**22
# Tells the worker, and whatever else makes traces of what passes it, that this is no traffic of a user.
HEADERS = {"content-type": "application/json", "x-driftwarden-traced": "false"}
LONGEST_S = 600.0
OURS = "driftwarden"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What answers: the model's name, and whether it takes passages apart from the prompt."""

    model: str
    takes_context: bool


class CanaryClient:
    """Asks a chat-completions endpoint. Redirects are not followed."""

    def __init__(self, config: CanaryConfig, timer: Seconds) -> None:
        token = {"authorization": f"Bearer {config.token}"} if config.token else {}
        self.config, self.timer = config, timer
        self.url = (config.url or "").rstrip("/")
        self.http = httpx.Client(headers={**HEADERS, **token}, timeout=config.timeout_s, trust_env=False)

    def find(self) -> Endpoint:
        """The model at the endpoint. Raises Transient where it can't be told; a named one needs no list of models."""
        try:
            reply = self.http.get(f"{self.url}/models")
            listed = msgspec.json.decode(reply.content, type=Models).data if reply.status_code == 200 else []
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            raise Transient(f"{self.url}/models: {type(error).__name__}: {error}"[:300]) from error
        if reply.status_code >= 500 or reply.status_code == 429:
            raise Transient(f"{self.url}/models: HTTP {reply.status_code}")
        if self.config.model is None and len(listed) != 1:
            raise Transient(f"{self.url}/models: expected one model, got {len(listed)}: say which with --model")
        model = self.config.model or listed[0].id
        return Endpoint(model, takes_context=any(each.id == model and each.owned_by == OURS for each in listed))

    def ask(self, canary: Canary, endpoint: Endpoint) -> Answer:
        """What the endpoint says; an answer in any case."""
        body = asking_for(canary, self.config, endpoint.model, takes_context=endpoint.takes_context)
        began = self.timer()
        try:
            status, content, after_s = self.posted(body)
        except httpx.TimeoutException:
            return Answer("timeout", f"no answer within {self.config.timeout_s:g} s")
        except httpx.HTTPError as error:
            return Answer("away", f"{type(error).__name__}: {error}"[:300])
        spent_s = self.timer() - began
        if status != 200:
            return Answer(said_by(status), f"HTTP {status}{complaint(content)}", latency_s=spent_s, after_s=after_s)
        try:
            return answer_of(content, spent_s)
        except (msgspec.MsgspecError, ValueError) as error:
            return Answer("unreadable", str(error)[:300], latency_s=spent_s)

    def posted(self, body: bytes) -> tuple[int, bytes, float | None]:
        """Status, content and ``Retry-After`` of a reply."""
        with self.http.stream("POST", f"{self.url}/chat/completions", content=body) as reply:
            found = b""
            for part in reply.iter_bytes():
                found += part
                if len(found) > MOST_BYTES:
                    break
            return reply.status_code, found[:MOST_BYTES], seconds(reply.headers.get("retry-after"))

    def close(self) -> None:
        self.http.close()


def said_by(status: int) -> Sent:
    if status == 429:
        return "busy"
    return "away" if status >= 500 else "refused"


def seconds(told: str | None) -> float | None:
    """``Retry-After`` in seconds, at most ten minutes; None where it is a date or nothing."""
    return min(float(told), LONGEST_S) if told is not None and told.strip().isdecimal() else None


def complaint(content: bytes) -> str:
    """What an error object says, as the end of a sentence."""
    try:
        told = msgspec.json.decode(content)
        message = told["error"]["message"]
    except (msgspec.MsgspecError, LookupError, TypeError):
        return ""
    return f": {message}"[:200] if isinstance(message, str) else ""
