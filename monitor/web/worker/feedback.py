"""Feedback on an answer, checked before it goes to its topic."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fastapi import Response

from monitor.codec.opinions import decode_opinion
from monitor.model.record import Partition, Record, Reject
from monitor.web.worker.errors import Refused
from monitor.web.worker.shapes import json

HTTP = Partition("http", 0)


def taken(sent: bytes, put: Callable[[str, bytes], None] | None, now: datetime) -> Response:
    """202 once it is queued. Raises Refused where it is no feedback, or where it can't go anywhere."""
    if put is None:
        raise Refused(503, "no broker is set to send feedback to", code="feedback_unavailable")
    found = decode_opinion(Record(HTTP, 0, sent, {}), now)
    if isinstance(found, Reject):
        raise Refused(400, found.message, code=found.reason)
    put(found.id, sent)
    return json({"id": found.id, "accepted": True}, 202)
