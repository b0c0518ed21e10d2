"""Pages as JSON, NDJSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
from starlette.exceptions import HTTPException

Row = Mapping[str, Any]
Name = Literal["json", "ndjson", "csv"]

encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Format:
    """How a page is written: what stands before, a row, what stands between rows, and what ends it.

    ``tail`` gets the cursor of the next page.
    """

    media_type: str
    head: Callable[[Sequence[str]], bytes]
    row: Callable[[Row], bytes]
    between: bytes
    tail: Callable[[str | None], bytes]


def csv_line(values: Sequence[Any]) -> bytes:
    """One line; instants in ISO 8601, what has structure as JSON, nothing for null.

    >>> csv_line(["a,b", None, True, [1], 0.5])
    b'"a,b",,true,[1],0.5\\r\\n'
    """
    line = io.StringIO()
    csv.writer(line).writerow([csv_value(value) for value in values])
    return line.getvalue().encode()


def csv_value(value: Any) -> Any:
    match value:
        case bool() | list() | dict():
            return encode(value).decode()
        case datetime():
            return value.isoformat()
        case _:
            return value


FORMATS: Mapping[Name, Format] = {
    "json": Format(
        "application/json",
        head=lambda _columns: b'{"items":[',
        row=encode,
        between=b",",
        tail=lambda cursor: b'],"next":' + encode(cursor) + b"}",
    ),
    "ndjson": Format(
        "application/x-ndjson",
        head=lambda _columns: b"",
        row=lambda row: encode(row) + b"\n",
        between=b"",
        tail=lambda _cursor: b"",
    ),
    "csv": Format(
        "text/csv",
        head=csv_line,
        row=lambda row: csv_line(list(row.values())),
        between=b"",
        tail=lambda _cursor: b"",
    ),
}


def format_of(name: Name | None, accept: str) -> Format:
    """The format by its name, else by the ``Accept`` header, JSON being the first choice; 406 where none will do."""
    if name is not None:
        return FORMATS[name]
    wanted = accepted(accept)
    best = max(FORMATS.values(), key=lambda known: quality(known.media_type, wanted))
    if quality(best.media_type, wanted) <= 0:
        offered = ", ".join(known.media_type for known in FORMATS.values())
        raise HTTPException(406, f"this is to be had as {offered}")
    return best


def accepted(header: str) -> Mapping[str, float]:
    """Media ranges of an ``Accept`` header with their weights.

    >>> accepted("text/csv, */*;q=0.1")
    {'text/csv': 1.0, '*/*': 0.1}
    """
    weights = {}
    for item in header.lower().split(","):
        media, *parameters = [part.strip() for part in item.split(";")]
        weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        if media:
            weights[media] = float(weight) if weight.replace(".", "", 1).isdecimal() else 0.0
    return weights or {"*/*": 1.0}


def quality(media_type: str, wanted: Mapping[str, float]) -> float:
    """The weight of a media type: the most exact range counts."""
    kind = media_type.partition("/")[0]
    return next((wanted[range_] for range_ in (media_type, f"{kind}/*", "*/*") if range_ in wanted), 0.0)
