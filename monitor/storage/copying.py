"""Postgres' binary COPY format, a column of a batch at a time.

A field is its length and its bytes: https://www.postgresql.org/docs/current/sql-copy.html. What psycopg's ``write_row``
does value by value is done here once for equal values, and once for all rows of a matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, repeat
from struct import Struct
from typing import Any, TypeVar, cast

import numpy as np
import psycopg
import sqlalchemy as sa
from numpy.typing import NDArray

T = TypeVar("T", bound=Hashable)

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
# The server reads the first rows while later ones are put together.
ROWS_AT_ONCE = 50
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# Type numbers of elements, as in pg_type.
INT2, TEXT, FLOAT8 = 21, 25, 701

fields_of_row, size = Struct(">h").pack, Struct(">i").pack
integer, bigint = Struct(">i").pack, Struct(">q").pack
# Dimensions, whether there are NULLs, the type of the elements, how many, the first one's number.
array_head = Struct(">iiiii").pack


def field(value: bytes | None) -> bytes:
    return NULL if value is None else size(len(value)) + value


def column(values: Sequence[T | None], encode: Callable[[T], bytes]) -> list[bytes]:
    """The fields of a column; equal values are encoded once."""
    known = {value: field(None if value is None else encode(value)) for value in set(values)}
    return [known[value] for value in values]


def text(value: str) -> bytes:
    return value.encode()


def instant(at: datetime) -> bytes:
    return bigint((at - EPOCH) // MICROSECOND)


def text_array(values: Sequence[str | None]) -> bytes:
    items = [field(None if value is None else value.encode()) for value in values]
    return array_head(1, None in values, TEXT, len(values), 1) + b"".join(items)


def smallint_array(values: Sequence[int]) -> bytes:
    items = np.empty(len(values), [("size", ">i4"), ("value", ">i2")])
    items["size"], items["value"] = 2, values
    return array_head(1, False, INT2, len(values), 1) + items.tobytes()


def double_arrays(matrix: NDArray[np.floating]) -> list[bytes]:
    """The fields of a column whose values are the rows of ``(n, k)``; NaN stays NaN."""
    count, width = matrix.shape
    items = np.empty((count, width), [("size", ">i4"), ("value", ">f8")])
    items["size"], items["value"] = 8, matrix
    head = array_head(1, False, FLOAT8, width, 1)
    stride = items.itemsize * width
    start, data = size(len(head) + stride) + head, items.tobytes()
    return [start + data[i * stride : (i + 1) * stride] for i in range(count)]


def driver(connection: sa.Connection) -> psycopg.Connection[Any]:
    """psycopg's connection under SQLAlchemy's: COPY is its alone."""
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def copy_columns(connection: sa.Connection, table: str, columns: Mapping[str, Sequence[bytes]]) -> None:
    """Sends rows, given as columns of fields; all or none of them arrive."""
    count = len(next(iter(columns.values())))
    rows = zip(repeat(fields_of_row(len(columns)), count), *columns.values(), strict=True)
    with (
        driver(connection).cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.write(SIGNATURE)
        for _ in range(0, count, ROWS_AT_ONCE):
            copy.write(b"".join(chain.from_iterable(islice(rows, ROWS_AT_ONCE))))
        copy.write(END)
