"""Rows for people and for programs: a table, CSV or JSON lines."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import chain, islice
from typing import Any, Literal

import msgspec

Format = Literal["table", "csv", "json"]
FORMATS = ("table", "csv", "json")
TABLE_ROWS = 1000
PIPE_COLUMNS = 220


def cell(value: Any) -> str:
    """A value as a person reads it."""
    match value:
        case None:
            return "–"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case float() | Decimal():
            return f"{value:.4g}"
        case dict() | list():
            return msgspec.json.encode(value).decode()
        case bytes() | memoryview():
            return f"{len(value)} bytes"
        case _:
            return str(value)


def show(rows: Iterable[Mapping[str, Any]], form: Format, *, title: str | None = None) -> int:
    """Writes rows to standard output; returns how many."""
    match form:
        case "json":
            return show_json(rows)
        case "csv":
            return show_csv(rows)
        case _:
            return show_table(rows, title)


def show_json(rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    for row in rows:
        print(msgspec.json.encode(dict(row), enc_hook=str).decode())
        count += 1
    return count


def show_csv(rows: Iterable[Mapping[str, Any]]) -> int:
    writer, count = csv.writer(sys.stdout, lineterminator="\n"), 0
    for row in rows:
        if not count:
            writer.writerow(row)
        writer.writerow([value.isoformat() if isinstance(value, datetime) else plain(value) for value in row.values()])
        count += 1
    return count


def plain(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, (dict, list)) else value


def show_table(rows: Iterable[Mapping[str, Any]], title: str | None) -> int:
    from rich.console import Console
    from rich.table import Table

    walk = iter(rows)
    first = next(walk, None)
    # A pipe has no width; folding to 80 columns would only hurt.
    console = Console() if sys.stdout.isatty() else Console(width=PIPE_COLUMNS)
    if first is None:
        console.print("no rows")
        return 0
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for name in first:
        table.add_column(str(name), overflow="fold")
    count = 0
    for row in islice(chain([first], walk), TABLE_ROWS):
        table.add_row(*(cell(value) for value in row.values()))
        count += 1
    console.print(table)
    if next(walk, None) is not None:
        console.print(f"… only the first {TABLE_ROWS} rows; --format csv or json gives all")
    return count
