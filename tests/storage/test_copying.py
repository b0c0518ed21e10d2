from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection

from monitor.storage.copying import (
    ROWS_AT_ONCE,
    bigint,
    column,
    copy_columns,
    double_arrays,
    field,
    instant,
    integer,
    smallint_array,
    text,
    text_array,
)
from monitor.storage.engine import connect


@pytest.fixture
def connection(migrated_url: str) -> Iterator[Connection]:
    engine = connect(migrated_url)
    with engine.connect() as connection:  # never committed
        yield connection
    engine.dispose()


def copied(connection: Connection, kind: str, fields: Sequence[bytes]) -> list[Any]:
    """The values that a column of a table holds after its fields were sent."""
    connection.exec_driver_sql(f"CREATE TEMP TABLE copied (value {kind}, place integer) ON COMMIT DROP")
    copy_columns(connection, "copied", {"value": fields, "place": column(range(len(fields)), integer)})
    return list(connection.exec_driver_sql("SELECT value FROM copied ORDER BY place").scalars())


@pytest.mark.parametrize(
    ("kind", "encode", "values"),
    [
        ("text", text, ["", "a", None, "é\U0001f600", "a", None]),
        ("integer", integer, [0, -1, 2**31 - 1, None]),
        ("bigint", bigint, [0, -(2**63), 2**63 - 1]),
        ("text[]", text_array, [("a", None, ""), (), (None,), ("x", "y"), None]),
        ("smallint[]", smallint_array, [(0, -1, 32767), (7,)]),
    ],
)
def test_what_is_sent_is_what_the_table_holds(
    connection: Connection, kind: str, encode: Any, values: Sequence[Any]
) -> None:
    found = copied(connection, kind, column(values, encode))

    assert [tuple(each) if isinstance(each, list) else each for each in found] == values


def test_instants_are_sent_to_the_microsecond_whatever_their_zone(connection: Connection) -> None:
    instants = [
        datetime(1999, 12, 31, 23, 59, 59, 999999, UTC),
        datetime(2090, 5, 1, 12, 0, 0, 1, timezone(timedelta(hours=-9, minutes=-30))),
        datetime.max.replace(tzinfo=UTC),
    ]

    assert copied(connection, "timestamptz", column(instants, instant)) == instants


def test_rows_of_a_matrix_are_sent_as_arrays(connection: Connection) -> None:
    matrix = np.array([[1.0, np.nan, -0.1], [1e300, 5e-324, np.inf]])

    assert np.array_equal(copied(connection, "double precision[]", double_arrays(matrix)), matrix, equal_nan=True)


def test_a_matrix_without_columns_is_sent_as_empty_arrays(connection: Connection) -> None:
    assert copied(connection, "double precision[]", double_arrays(np.empty((2, 0)))) == [[], []]


@pytest.mark.parametrize("count", [0, 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1])
def test_no_row_is_lost_between_two_writes(connection: Connection, count: int) -> None:
    assert copied(connection, "bytea", [field(bytes([i])) for i in range(count)]) == [bytes([i]) for i in range(count)]
