"""``POST /api/v1/feedback``: what people said of answers, answered when it is stored."""

# Annotations are evaluated here: FastAPI can't look up a local dependency by its name.

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Response

from monitor.codec import decode_opinions
from monitor.model.record import Partition, Record
from monitor.ports import Clock, FeedbackStore
from monitor.web.ingest import MEDIA_TYPES, Body, plain, received

HTTP = Partition("http", 0)


def routes(store: FeedbackStore, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["feedback"], default_response_class=Response)

    @router.post(
        "/api/v1/feedback",
        summary="Store feedback on traces: one JSON object, or one on each line; answered 200 when committed",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {media_type: {"schema": {"type": "object"}} for media_type in MEDIA_TYPES},
            }
        },
    )
    def feedback(sent: Annotated[Body, Depends(received)]) -> Response:
        body = plain(sent)
        lines = body.splitlines() if "ndjson" in sent.media_type else [body]
        records = [Record(HTTP, number, line, {}) for number, line in enumerate(lines, 1) if line.strip()]
        now = clock()
        opinions, rejects = decode_opinions(records, now)
        new = store.add(opinions, now)
        # What is wrong is told to who asked, who still has it: it is not set aside here.
        told = {
            "stored": new,
            "repeats": len(opinions) - new,
            "rejected": [
                {"line": reject.record.offset, "reason": reject.reason, "message": reject.message} for reject in rejects
            ],
        }
        return Response(msgspec.json.encode(told), media_type="application/json")

    return router
