"""Records to traces: each record becomes a decoded trace or a reject."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from monitor.codec.text import mend
from monitor.codec.vectors import rows
from monitor.model.decoded import Decoded, Vector
from monitor.model.record import Reason, Record, Reject
from monitor.model.trace import Trace


@dataclass(frozen=True, slots=True)
class Limits:
    """What a record may be: bytes of the whole, characters of one field, age and lead of its time."""

    record_bytes: int = 4 * 2**20
    field_characters: int = 256 * 2**10
    max_age: timedelta = timedelta(days=3650)
    max_lead: timedelta = timedelta(hours=1)


class Head(msgspec.Struct):
    schema_version: str


# https://www.w3.org/TR/trace-context/: version, trace id, span id, flags.
TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}.*")
trace_decoder = msgspec.json.Decoder(Trace)
head_decoder = msgspec.json.Decoder(Head)
shell_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def known_version(version: str) -> bool:
    major, dot, minor = version.partition(".")
    return major == "1" and dot == "." and minor.isdigit()


def not_a_trace(record: Record, error: Exception) -> Reject:
    """The reason a record can't be read, found on the slow path."""
    try:
        head = head_decoder.decode(record.value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        head = None
    if head is not None and not known_version(head.schema_version):
        return wrong_version(record, head.schema_version)
    if not isinstance(error, msgspec.ValidationError):
        return Reject(record, "not_json", str(error))
    if "base64" in str(error):  # nothing but vectors is
        return Reject(record, "bad_embedding", str(error))
    reason: Reason = "missing_field" if "missing required field" in str(error) else "wrong_type"
    return Reject(record, reason, str(error))


def wrong_version(record: Record, version: str) -> Reject:
    return Reject(record, "unknown_schema_version", f"schema_version: expected 1.x, got {version[:40]!r}")


def storable(value: bytes, limits: Limits) -> bytes:
    """The record with oversized fields cut and NUL replaced; flagged under ``extra.driftwarden_altered``."""
    flagged: list[str] = []
    whole = mend(msgspec.json.decode(value), limits.field_characters, "", flagged)
    if not flagged or not isinstance(whole, dict):
        return value
    extra = whole.get("extra")
    whole["extra"] = {**(extra if isinstance(extra, dict) else {}), "driftwarden_altered": flagged[:100]}
    return msgspec.json.encode(whole)


def parsed(value: bytes) -> tuple[Trace, bytes]:
    """The trace and what is stored of it: all that the producer sent, unknown fields too, but for the vectors."""
    trace = trace_decoder.decode(value)
    if not trace.embeddings:
        return trace, value
    shell = shell_decoder.decode(value)
    del shell["embeddings"]
    return trace, msgspec.json.encode(shell)


def decode(record: Record, now: datetime, limits: Limits) -> Decoded | Reject:
    """One record as a trace whose vectors are not unpacked yet, or the reason why not."""
    value = record.value
    if not value:
        return Reject(record, "empty", "the record has no value")
    if len(value) > limits.record_bytes:
        return Reject(record, "too_large", f"record: at most {limits.record_bytes} bytes, got {len(value)}")
    try:
        value.decode()  # a decoder passes over fields it does not know, whatever their bytes
        trace, body = parsed(value)
        if len(body) > limits.field_characters or b"\\u0000" in body:
            trace, body = parsed(storable(value, limits))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return not_a_trace(record, error)
    if not known_version(trace.schema_version):
        return wrong_version(record, trace.schema_version)
    if not trace.input_messages and trace.prompt_text is None:
        return Reject(record, "missing_field", "one of input_messages and prompt_text must be there")
    if not -limits.max_lead <= now - trace.time <= limits.max_age:
        return out_of_range(record, trace.time, now, limits)
    return Decoded(record, with_context(trace, record), body, {})


def out_of_range(record: Record, time: datetime, now: datetime, limits: Limits) -> Reject:
    span = f"{now - limits.max_age:%Y-%m-%dT%H:%MZ} to {now + limits.max_lead:%Y-%m-%dT%H:%MZ}"
    return Reject(record, "time_out_of_range", f"time: expected {span}, got {time.isoformat()}")


def with_context(trace: Trace, record: Record) -> Trace:
    """The trace with the W3C trace context of its record's headers, where it has none itself."""
    if trace.trace_id is not None or "traceparent" not in record.headers:
        return trace
    found = TRACEPARENT.fullmatch(record.headers["traceparent"])
    if found is None:
        return trace
    return msgspec.structs.replace(trace, trace_id=found[1].decode(), span_id=found[2].decode())


def unpack_vectors(decoded: Sequence[Decoded]) -> list[Decoded | Reject]:
    """Unpacks the vectors of a batch; a trace with an unreadable one becomes a reject."""
    outcome: list[Decoded | Reject] = list(decoded)
    pairs = [(i, embedding) for i, item in enumerate(decoded) for embedding in item.trace.embeddings]
    for (i, embedding), row in zip(pairs, rows([embedding for _, embedding in pairs]), strict=True):
        if isinstance(row, str):
            outcome[i] = Reject(decoded[i].record, "bad_embedding", row)
        else:
            decoded[i].vectors[embedding.target] = Vector(embedding.model, embedding.revision, row)
    return outcome


def decode_batch(records: Sequence[Record], now: datetime, limits: Limits) -> tuple[list[Decoded], list[Reject]]:
    """The traces and the rejects of a batch; every record is in exactly one of the two."""
    first = [decode(record, now, limits) for record in records]
    readable = iter(unpack_vectors([item for item in first if isinstance(item, Decoded)]))
    outcome = [next(readable) if isinstance(item, Decoded) else item for item in first]
    return (
        [item for item in outcome if isinstance(item, Decoded)],
        [item for item in outcome if isinstance(item, Reject)],
    )
