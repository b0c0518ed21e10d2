"""A row of a file, and a row that could not be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """The values of a row by column; ``number`` counts the file's rows from 1."""

    number: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that can't become a trace, and why."""

    number: int
    message: str
    values: Mapping[str, Any] | None = None


def lookup(values: Mapping[str, Any], column: str) -> Any:
    """The value of a column, else of a dotted path into nested values; None where there is none.

    >>> lookup({"a.b": 1, "a": {"b": 2}}, "a.b"), lookup({"a": [{"b": 2}]}, "a.-1.b"), lookup({}, "a.b")
    (1, 2, None)
    """
    if column in values:
        return values[column]
    found: Any = values
    for name in column.split("."):
        match found:
            case dict() | Mapping():
                found = found.get(name)
            case list() if name.removeprefix("-").isdigit() and -len(found) <= int(name) < len(found):
                found = found[int(name)]
            case _:
                return None
    return found


def suggestion(name: str, known: Sequence[str]) -> str:
    """The known names that a person may have meant, as the end of a sentence.

    >>> suggestion("anwser", ["answer", "query"]), suggestion("zzz", ["answer", "query"])
    ('; did you mean answer?', '; there are: answer, query')
    """
    close = get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    shown = ", ".join(list(known)[:30])
    return f"; there are: {shown}" if shown else ""
