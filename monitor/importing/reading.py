"""Files to rows, one at a time: CSV, JSON lines (both also gzipped) and Parquet."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

from monitor.errors import Permanent
from monitor.importing.row import Row, RowError

Format = Literal["csv", "jsonl", "parquet"]

# The csv module's own limit of 128 Ki characters is below what a prompt with its passages takes.
CELL_CHARACTERS = 64 * 2**20
SAMPLE_ROWS = 1000
UTF8_BOM = b"\xef\xbb\xbf"


def format_of(path: Path) -> Format:
    """The format, by the file's name.

    >>> format_of(Path("a.NDJSON.gz")), format_of(Path("a.tsv")), format_of(Path("a.parquet"))
    ('jsonl', 'csv', 'parquet')
    """
    match path.name.lower().removesuffix(".gz").rpartition(".")[2]:
        case "csv" | "tsv" | "txt":
            return "csv"
        case "jsonl" | "ndjson" | "json":
            return "jsonl"
        case "parquet" | "pq":
            return "parquet"
        case other:
            known = "csv, tsv, jsonl, ndjson (each also with .gz) and parquet"
            raise Permanent(f"{path.name}: can't tell the format from {other!r}; known are {known}")


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The bytes of a file, unzipped where they begin as gzip does, and the file as it lies on disk."""
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not zipped:
            yield raw, raw
            return
        with gzip.open(raw) as plain:
            yield plain, raw  # type: ignore[misc]  # GzipFile is a BinaryIO in all that matters


def read_rows(path: Path) -> Iterator[Row | RowError]:
    """The rows of a file in order; a row that can't be read is an error and the next is read.

    Raises:
        Permanent: the file as a whole can't be read.
    """
    try:
        match format_of(path):
            case "csv":
                with opened(path) as (plain, _):
                    yield from csv_rows(plain, path.name)
            case "jsonl":
                with opened(path) as (plain, _):
                    yield from json_rows(plain, path.name)
            case "parquet":
                yield from parquet_rows(path)
    except (OSError, EOFError) as error:
        raise Permanent(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def header_of(cells: Sequence[str], name: str) -> list[str]:
    header = [cell.strip() or f"column_{i}" for i, cell in enumerate(cells, 1)]
    twice = {column for column in header if header.count(column) > 1}
    if twice:
        raise Permanent(f"{name}: two columns are named {sorted(twice)[0]!r}")
    return header


def delimiter_of(text: io.TextIOWrapper) -> str:
    """The most frequent of comma, semicolon and tab in the first line; the text is at its start again."""
    line = text.readline(CELL_CHARACTERS)
    text.seek(0)
    return max(",;\t", key=line.count)


def csv_rows(plain: BinaryIO, name: str) -> Generator[Row | RowError, None, None]:
    csv.field_size_limit(CELL_CHARACTERS)  # the csv module has this one limit for the whole process
    text = io.TextIOWrapper(plain, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield from parsed(csv.reader(text, delimiter=delimiter_of(text), strict=True), name)
    finally:
        text.detach()  # the bytes below are closed by who opened them


def parsed(cells: Any, name: str) -> Iterator[Row | RowError]:
    try:
        first = next(cells, None)
    except csv.Error as error:
        raise Permanent(f"{name}: the header is not CSV: {error}") from error
    if first is None:
        raise Permanent(f"{name}: the file is empty")
    header = header_of(first, name)
    number = 0
    while True:
        try:
            row = next(cells)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            yield RowError(number, f"line {cells.line_num}: not CSV: {error}")
            continue
        if row:  # a blank line is no row
            number += 1
            yield csv_row(number, header, row)


def csv_row(number: int, header: Sequence[str], cells: Sequence[str]) -> Row | RowError:
    if len(cells) != len(header):
        return RowError(number, f"expected {len(header)} columns, got {len(cells)}", {"cells": readable(cells)})
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8 were read as lone surrogates
        return RowError(number, "not UTF-8", dict(zip(header, readable(cells), strict=True)))
    return Row(number, dict(zip(header, cells, strict=True)))


def readable(cells: Sequence[str]) -> list[str]:
    return [cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for cell in cells]


def json_rows(plain: BinaryIO, name: str) -> Generator[Row | RowError, None, None]:
    number = 0
    for line in plain:
        stripped = line.removeprefix(UTF8_BOM).strip() if number == 0 else line.strip()
        if not stripped:
            continue
        number += 1
        if number == 1 and stripped[:1] == b"[":
            raise Permanent(f"{name}: one JSON object per line is read, and this is an array; convert: jq -c '.[]'")
        yield json_row(number, stripped)


def json_row(number: int, line: bytes) -> Row | RowError:
    try:
        values = json_value(line)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return RowError(number, f"not JSON: {error}", {"line": line[:2000].decode("utf-8", "replace")})
    if not isinstance(values, dict):
        return RowError(number, f"expected a JSON object, got {type(values).__name__}", {"line": values})
    return Row(number, values)


def json_value(line: bytes) -> Any:
    """The value of a line; ``NaN``, which is not JSON but widely written, is read as a number.

    >>> json_value(b'{"a": NaN}')
    {'a': nan}
    """
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:
        if b"NaN" not in line and b"Infinity" not in line:
            raise
        return json.loads(line)


def parquet(path: Path) -> Any:
    try:
        import pyarrow.parquet as library  # noqa: PLC0415  # an extra that few need
    except ImportError as error:
        raise Permanent(f"{path.name}: reading Parquet needs pyarrow: pip install 'driftwarden[parquet]'") from error
    try:
        return library.ParquetFile(path)
    except ValueError as error:  # pyarrow's own errors derive from it
        raise Permanent(f"{path.name}: not Parquet: {error}") from error


def parquet_rows(path: Path) -> Iterator[Row | RowError]:
    number = 0
    with parquet(path) as table:
        for batch in table.iter_batches(batch_size=500):
            for values in batch.to_pylist():
                number += 1
                yield Row(number, values)


def estimated_rows(path: Path) -> int:
    """About how many rows the file has: exact for Parquet and below a thousand rows, else from its size."""
    match format_of(path):
        case "parquet":
            with parquet(path) as table:
                return int(table.metadata.num_rows)
        case "csv" | "jsonl" as kind:
            with opened(path) as (plain, raw):
                rows = csv_rows(plain, path.name) if kind == "csv" else json_rows(plain, path.name)
                with closing(rows):
                    sampled = sum(1 for _ in islice(rows, SAMPLE_ROWS))
                if sampled < SAMPLE_ROWS:
                    return sampled
                return max(sampled, round(sampled * path.stat().st_size / max(raw.tell(), 1)))
