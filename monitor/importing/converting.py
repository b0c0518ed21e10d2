"""Values of a file to values of the record: each field's type is reached or the value is named in the error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from math import isfinite, isnan
from typing import Any

import msgspec

from monitor.importing.targets import Target


class Unusable(ValueError):  # noqa: N818  # a value's verdict, like the errors beside it
    """A value that can't become what its field holds."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """How dates are read: ``pattern`` as in strptime, ``zone`` for those that name none."""

    zone: tzinfo | None = None
    pattern: str | None = None


def convert(value: Any, target: Target, calendar: Calendar) -> Any:
    """The value as the field's type, None where it is missing.

    Raises:
        Unusable: it can't be converted; the message shows the value.
    """
    absent = value is None or (isinstance(value, float) and isnan(value))
    text = target.kind in ("prompt", "response")  # which may be empty: an empty answer is an answer
    if absent or (not text and isinstance(value, str) and not value.strip()):
        return None
    found: Any
    match target.kind:
        case "instant":
            found = instant(value, calendar)
        case "finish_reason":
            found = finish_reason(str(value).strip().lower())
        case "prompt" | "response" | "text":
            found = words(value)
        case "structure":
            found = structure(value, target)
        case _:
            found = scalar(value, target)
    return found


def finish_reason(reason: str) -> str:
    """The record's word for why an answer ended.

    >>> finish_reason("max_tokens")
    'length'
    """
    match reason:
        case "tool_calls" | "function_call" | "tool_use":
            return "tool_call"
        case "end_turn" | "stop_sequence" | "eos" | "eos_token":
            return "stop"
        case "max_tokens" | "model_length":
            return "length"
        case _:
            return reason


def words(value: Any) -> str:
    match value:
        case str():
            return value
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError as error:
                raise Unusable("not UTF-8") from error
        case list() if len(value) == 1:  # a list of one text, as data sets with alternatives have it
            return words(value[0])
        case dict() | list():
            return msgspec.json.encode(value, enc_hook=str).decode()
        case _:
            return str(value)


def scalar(value: Any, target: Target) -> Any:
    given = value.strip() if isinstance(value, str) else value
    try:
        number = msgspec.convert(given, target.type, strict=False)
    except msgspec.ValidationError as error:
        limit = str(error).partition("` ")[2]  # what msgspec says of a number out of its range, such as ">= 0"
        names = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}
        raise Unusable(f"expected {names[target.kind]}{limit and ' ' + limit}, got {str(value)[:60]!r}") from error
    if isinstance(number, float) and not isfinite(number):
        raise Unusable(f"expected a finite number, got {value!r}")
    return number


def instant(value: Any, calendar: Calendar) -> datetime:
    """An aware instant from ISO 8601, ``YYYYMMDD``, or a count of s, ms, µs or ns since 1970, told by its size."""
    match value:
        case datetime():
            found = value
        case date():
            found = datetime.combine(value, time())  # its zone is added below
        case bool():
            raise Unusable(f"expected a date or time, got {value!r}")
        case int() | float():
            return since_1970(float(value), str(value), calendar)
        case str():
            return written(value.strip(), calendar)
        case _:
            raise Unusable(f"expected a date or time, got {str(value)[:60]!r}")
    return aware(found, str(value), calendar)


def written(text: str, calendar: Calendar) -> datetime:
    try:
        if calendar.pattern is not None:
            return aware(datetime.strptime(text, calendar.pattern), text, calendar)  # noqa: DTZ007  # added by aware
        return since_1970(float(text), text, calendar)
    except ValueError as error:
        if isinstance(error, Unusable):
            raise
        if calendar.pattern is not None:
            raise Unusable(f"expected a time like {calendar.pattern!r}, got {text[:60]!r}") from error
    try:
        return aware(datetime.fromisoformat(text), text, calendar)
    except Unusable:
        raise
    except ValueError as error:
        raise Unusable(f"expected a date or time, got {text[:60]!r}; --time-format reads other spellings") from error


def since_1970(number: float, text: str, calendar: Calendar) -> datetime:
    if len(text) == 8 and text.isdigit() and "19000101" <= text <= "21001231":
        try:
            return aware(datetime.fromisoformat(text), text, calendar)
        except Unusable:
            raise
        except ValueError:
            pass  # not a day of the calendar: a count then
    if not isfinite(number):
        raise Unusable(f"expected a date or time, got {text[:60]!r}")
    # Seconds of today have ten digits; three more digits are a thousandth of the unit.
    size = abs(number)
    seconds = number / (1 if size < 1e11 else 1e3 if size < 1e14 else 1e6 if size < 1e17 else 1e9)
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError as error:
        raise Unusable(f"expected a date or time, got {text[:60]!r}") from error


def aware(found: datetime, text: str, calendar: Calendar) -> datetime:
    if found.tzinfo is None:
        if calendar.zone is None:
            raise Unusable(f"{text[:60]!r} names no time zone; say which with --timezone, such as --timezone UTC")
        found = found.replace(tzinfo=calendar.zone)
    return found.astimezone(UTC)


def structure(value: Any, target: Target) -> Any:
    """A list or object, read from JSON where it is text; lists of texts become what the field lists."""
    given = value
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            given = msgspec.json.decode(value)
        except msgspec.DecodeError:
            given = value  # a text that only begins like JSON
    match str(target):
        case "context":
            return passages(given)
        case "samples":
            return [item if isinstance(item, Mapping) else {"text": words(item)} for item in items(given)]
        case "input_messages" | "output_messages":
            return [message(item) for item in items(given)]
        case _:
            return given


def items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def passages(value: Any) -> list[dict[str, Any]]:
    """Documents from a text, a list of texts or of objects, or an object of named texts.

    >>> passages({"faq": "Open at 9."})
    [{'id': 'faq', 'text': 'Open at 9.'}]
    """
    if isinstance(value, Mapping) and not text_in(value):
        return [{"id": str(name), "text": words(text)} for name, text in value.items()]
    return [passage(i, item) for i, item in enumerate(items(value), 1)]


def text_in(document: Mapping[str, Any]) -> str | None:
    for name in ("text", "content", "page_content", "passage", "passage_text", "body"):
        if isinstance(document.get(name), str):
            return str(document[name])
    return None


def passage(number: int, item: Any) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        return {"id": str(number), "text": words(item)}
    text = text_in(item)
    if text is None:
        raise Unusable(f"passage {number}: expected a text in 'text' or 'content', got {', '.join(item)[:60]!r}")
    kept = {name: item[name] for name in ("score", "rank", "source_uri", "hash", "chunk") if item.get(name) is not None}
    name = item.get("id", item.get("doc_id", number))
    return {"id": str(name), "text": text, **kept}


def message(item: Any) -> dict[str, Any]:
    """A message with parts, from one whose ``content`` is a text or a list of parts."""
    if not isinstance(item, Mapping):
        return {"role": "user", "parts": [{"type": "text", "content": words(item)}]}
    if "parts" in item:
        return dict(item)
    content = item.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "content": content}]
    return {"role": str(item.get("role", "user")), "parts": [part for part in parts if part]}
