"""A sink that posts batches of records to a sidecar."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import msgspec

from monitor.errors import Permanent, Transient

BATCH_RECORDS = 500
BATCH_BYTES = 4 * 2**20
PATH = "/v1/traces"


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a batch is tried, and how long is waited: as the server says, else doubling from ``first_s``."""

    attempts: int = 8
    first_s: float = 0.5
    longest_s: float = 60.0
    sleep: Callable[[float], None] = time.sleep

    def delay_s(self, attempt: int, asked: str | None) -> float:
        """Seconds before the next attempt, from the number of this one (0 first) and the Retry-After header."""
        wanted = seconds_asked(asked) if asked else None
        return min(self.longest_s, wanted if wanted is not None else self.first_s * 2.0**attempt)


def seconds_asked(header: str) -> float | None:
    """What a Retry-After header asks for, a count of seconds or a date; None where it is neither.

    >>> seconds_asked("12"), seconds_asked("soon")
    (12.0, None)
    """
    if header.strip().isdigit():
        return float(header)
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    zoned = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (zoned - datetime.now(UTC)).total_seconds())


class Rejected(msgspec.Struct, frozen=True):
    line: int
    reason: str
    message: str


class Answer(msgspec.Struct, frozen=True):
    """What became of the records of one batch."""

    stored: int
    repeats: int
    rejected: list[Rejected]


class HttpSink:
    """Posts records as NDJSON to ``/v1/traces``, five hundred or 4 MiB at a time; the port Sink.

    ``stored``, ``repeats`` and ``rejected`` count what the server said of them; ``rejections`` has the first few.
    """

    def __init__(self, url: str, *, api_key: str | None = None, retries: Retries | None = None) -> None:
        self.endpoint = url.rstrip("/") if url.rstrip("/").endswith(PATH) else url.rstrip("/") + PATH
        authorization = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self.client = httpx.Client(timeout=httpx.Timeout(60.0, connect=10.0), headers=authorization)
        self.retries = retries or Retries()
        self.waiting: list[bytes] = []
        self.bytes = 0
        self.stored = self.repeats = self.rejected = 0
        self.rejections: list[Rejected] = []

    def send(self, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> None:
        """Queue one record and post the batch when it is full; the key and headers are those of the body."""
        if self.waiting and self.bytes + len(value) > BATCH_BYTES:
            self.flush()
        self.waiting.append(value)
        self.bytes += len(value) + 1
        if len(self.waiting) >= BATCH_RECORDS:
            self.flush()

    def flush(self) -> None:
        """Post what waits; raises Transient where the server does not take it, Permanent where it never will."""
        if self.waiting:
            self.post(b"\n".join(self.waiting) + b"\n")
            self.waiting, self.bytes = [], 0

    def post(self, body: bytes) -> None:
        problem = ""
        for attempt in range(self.retries.attempts):
            asked = None
            try:
                response = self.client.post(
                    self.endpoint, content=body, headers={"Content-Type": "application/x-ndjson"}
                )
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            else:
                if response.is_success:
                    self.count(response.content)
                    return
                problem = f"{response.status_code} {response.text[:300]}".strip()
                if response.status_code not in (429, 502, 503, 504):
                    raise Permanent(f"{self.endpoint} refused the records: {problem}")
                asked = response.headers.get("Retry-After")
            if attempt + 1 < self.retries.attempts:
                self.retries.sleep(self.retries.delay_s(attempt, asked))
        raise Transient(f"{self.endpoint} did not take the records in {self.retries.attempts} attempts: {problem}")

    def count(self, body: bytes) -> None:
        try:
            answer = msgspec.json.decode(body, type=Answer)
        except msgspec.DecodeError as error:
            raise Permanent(f"{self.endpoint} does not answer like a sidecar: {error}") from error
        self.stored += answer.stored
        self.repeats += answer.repeats
        self.rejected += len(answer.rejected)
        self.rejections += answer.rejected[: 5 - len(self.rejections)]

    def close(self) -> None:
        self.client.close()
