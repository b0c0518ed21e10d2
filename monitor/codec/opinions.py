"""Records of feedback to opinions, or to rejects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from monitor.codec.text import mend
from monitor.model.feedback import FeedbackRecord, Opinion, opinion
from monitor.model.record import Record, Reject

RECORD_BYTES = 2**20

decoder = msgspec.json.Decoder(FeedbackRecord)


def decode_opinion(record: Record, now: datetime) -> Opinion | Reject:
    """One record of feedback. NUL, which can't be stored, becomes U+FFFD."""
    if not record.value:
        return Reject(record, "empty", "the record has no value")
    if record.size > RECORD_BYTES:
        return Reject(record, "too_large", f"feedback: at most {RECORD_BYTES} bytes, got {record.size}")
    try:
        value = record.value
        if b"\\u0000" in value:
            value = msgspec.json.encode(mend(msgspec.json.decode(value), RECORD_BYTES, "", []))
        found = decoder.decode(value)
        value.decode()
    except msgspec.ValidationError as error:
        missing = "missing required field" in str(error)
        return Reject(record, "missing_field" if missing else "wrong_type", str(error))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Reject(record, "not_json", str(error))
    if not found.schema_version.startswith("1."):
        return Reject(
            record, "unknown_schema_version", f"schema_version: expected 1.x, got {found.schema_version[:40]!r}"
        )
    return opinion(found, now)


def decode_opinions(records: Sequence[Record], now: datetime) -> tuple[list[Opinion], list[Reject]]:
    """The opinions and the rejects of a batch; every record is in exactly one of the two."""
    found = [decode_opinion(record, now) for record in records]
    return [it for it in found if isinstance(it, Opinion)], [it for it in found if isinstance(it, Reject)]
