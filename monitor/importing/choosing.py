"""Which rows of a file are taken, and what a second file adds to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from monitor.errors import Permanent
from monitor.importing.reading import read_rows
from monitor.importing.row import Row, RowError, lookup

# Shuffling and joining hold rows in memory; past this many they are refused rather than swapped to disk.
ROWS_IN_MEMORY = 1_000_000


def text_of(value: Any) -> str:
    """A value as a person writes it on a command line.

    >>> text_of(True), text_of(None), text_of(3)
    ('true', '', '3')
    """
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def chosen(
    rows: Iterable[Row | RowError], *, where: Sequence[tuple[str, str]], shuffle: int | None, limit: int | None
) -> Iterator[Row | RowError]:
    """The rows whose columns hold the given values, in a seeded random order, at most ``limit`` of them.

    Rows that could not be read are kept: they are reported, not passed over.
    """
    kept = (row for row in rows if isinstance(row, RowError) or matches(row, where))
    ordered = kept if shuffle is None else shuffled(kept, shuffle)
    return islice(ordered, limit)


def matches(row: Row, where: Sequence[tuple[str, str]]) -> bool:
    return all(text_of(lookup(row.values, column)) == value for column, value in where)


def shuffled(rows: Iterable[Row | RowError], seed: int) -> Iterator[Row | RowError]:
    held = list(islice(rows, ROWS_IN_MEMORY + 1))
    if len(held) > ROWS_IN_MEMORY:
        raise Permanent(f"--shuffle holds the rows in memory: at most {ROWS_IN_MEMORY:,}; narrow them with --where")
    for i in np.random.default_rng(seed).permutation(len(held)):
        yield held[i]


def joined(rows: Iterable[Row | RowError], path: Path, key: str) -> Iterator[Row | RowError]:
    """Each row with the columns that the row of ``path`` with the same ``key`` adds; its own columns win."""
    others = by_key(path, key)
    for row in rows:
        if isinstance(row, RowError):
            yield row
            continue
        value = text_of(lookup(row.values, key))
        other = others.get(value)
        if other is None:
            yield RowError(row.number, f"no row of {path.name} has {key} = {value[:80]!r}", row.values)
        else:
            yield Row(row.number, {**other.values, **row.values})


def by_key(path: Path, key: str) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in read_rows(path):
        if isinstance(row, RowError):
            raise Permanent(f"{path.name}: row {row.number}: {row.message}")
        value = text_of(lookup(row.values, key))
        if value in found:
            raise Permanent(f"{path.name}: rows {found[value].number} and {row.number} both have {key} = {value!r}")
        found[value] = row
        if len(found) > ROWS_IN_MEMORY:
            raise Permanent(f"{path.name}: a joined file is held in memory: at most {ROWS_IN_MEMORY:,} rows")
    return found
