"""Rows to trace records, each checked as the consumer will check it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from monitor.codec import Limits, decode
from monitor.importing.converting import Calendar, Unusable
from monitor.importing.mapping import Mapping
from monitor.importing.row import Row, RowError
from monitor.model.record import Partition, Record, Reject
from monitor.model.trace import SCHEMA_VERSION, Trace

# Ids of mapped columns are compared among this many rows; each costs about 100 bytes of memory.
IDS_COMPARED = 1_000_000


@dataclass(frozen=True, slots=True)
class Options:
    """What the rows themselves do not say.

    ``file`` names them in ids. Rows without a time get ``start``, ``start + interval``, and so on.
    """

    file: str
    now: datetime
    start: datetime
    interval: timedelta = timedelta(seconds=1)
    calendar: Calendar = field(default_factory=Calendar)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Imported:
    """A trace record ready to be published; ``number`` is its row's."""

    number: int
    id: str
    value: bytes

    @property
    def key(self) -> bytes:
        return self.id.encode()


def records(rows: Iterable[Row | RowError], mapping: Mapping, options: Options) -> Iterator[Imported | RowError]:
    """A record or an error for each row, in order.

    The same rows, mapping, file name and start give the same bytes, so that an import may be repeated: what is
    stored already is known by tenant, id and time.
    """
    own_ids = ("id",) in mapping.paths
    first_rows: dict[str, int] = {}
    for position, row in enumerate(rows):
        if isinstance(row, RowError):
            yield row
            continue
        made = record(row, mapping, options, options.start + position * options.interval)
        if own_ids and isinstance(made, Imported) and len(first_rows) < IDS_COMPARED:
            first = first_rows.setdefault(made.id, row.number)
            if first != row.number:
                yield RowError(row.number, f"id {made.id[:80]!r} is that of row {first} too", row.values)
                continue
        yield made


def record(row: Row, mapping: Mapping, options: Options, time: datetime) -> Imported | RowError:
    try:
        trace = msgspec.convert(assembled(row, mapping, options, time), Trace)
        value = msgspec.json.encode(trace)
    except (Unusable, msgspec.ValidationError) as error:
        return RowError(row.number, str(error), row.values)
    except UnicodeEncodeError:
        return RowError(row.number, "the row holds half a surrogate pair, which is no text")
    found = decode(Record(Partition("import", 0), row.number, value, {}), options.now, options.limits)
    if isinstance(found, Reject):
        return RowError(row.number, found.message, row.values)
    return Imported(row.number, trace.id, value)


def assembled(row: Row, mapping: Mapping, options: Options, time: datetime) -> dict[str, Any]:
    """The record as plain values, of the fields that the row fills."""
    found: dict[str, Any] = {}
    texts: dict[str, str] = {}
    for rule in mapping.rules:
        value = rule.value(row, options.file, options.calendar)
        if rule.target.kind in ("prompt", "response") and value is None:
            raise Unusable(f"{rule.target} from {rule.origin}: the row has none")
        if value is None:
            continue
        match rule.target.kind:
            case "prompt" | "response" | "finish_reason":
                texts[rule.target.kind] = value
            case _:
                put(found, rule.target.path, value)
    if "name" not in found.get("model", {}):
        raise Unusable("model.name: the row has none")
    found.setdefault("id", row_id(row, options.file))
    found.setdefault("time", time.astimezone(UTC))
    return {**found, **messages(found, texts), "schema_version": SCHEMA_VERSION}


def put(fields: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        fields = fields.setdefault(name, {})
    fields[path[-1]] = value


def messages(found: dict[str, Any], texts: dict[str, str]) -> dict[str, Any]:
    """The messages that hold the prompt, the response and why it ended."""
    made: dict[str, Any] = {}
    if "prompt" in texts:
        asked = {"role": "user", "parts": [{"type": "text", "content": texts["prompt"]}]}
        made["input_messages"] = [*found.get("input_messages", []), asked]
    answers = list(found.get("output_messages", []))
    if "response" in texts:
        answers = [{"role": "assistant", "parts": [{"type": "text", "content": texts["response"]}]}]
    if answers and "finish_reason" in texts:
        answers[0] = {**answers[0], "finish_reason": texts["finish_reason"]}
    return {**made, "output_messages": answers}


def row_id(row: Row, file: str) -> str:
    """A stable id from the file's name, the row's number and its content."""
    content = msgspec.json.encode([file, row.number, row.values], enc_hook=str, order="deterministic")
    return hashlib.blake2b(content, digest_size=16).hexdigest()
