from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from monitor.errors import Permanent, Transient
from monitor.storage.engine import connect
from monitor.storage.reader import PostgresReader


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = connect(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (id integer PRIMARY KEY, text text, at timestamptz, tags jsonb)")
        connection.exec_driver_sql("CREATE SEQUENCE numbers")
        connection.exec_driver_sql(
            """INSERT INTO notes SELECT n, 'note ' || n, '2026-05-01Z'::timestamptz + n * interval '1 s', '{"a": [1]}'
               FROM generate_series(1, 1000) AS n"""
        )
    yield engine
    engine.dispose()


@pytest.fixture
def reader(engine: Engine) -> PostgresReader:
    return PostgresReader(engine, rows_at_once=100)


def asked(reader: PostgresReader, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in reader.rows(sql, parameters)]


def test_rows_are_plain_values_by_column(reader: PostgresReader) -> None:
    rows = asked(
        reader, "SELECT * FROM notes WHERE at <= :at AND text LIKE '%1'", at=datetime(2026, 5, 1, 0, 0, 1, tzinfo=UTC)
    )
    assert rows == [{"id": 1, "text": "note 1", "at": datetime(2026, 5, 1, 0, 0, 1, tzinfo=UTC), "tags": {"a": [1]}}]


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200, 1000])
def test_a_stream_ends_with_the_last_row_whatever_the_size_of_a_step(reader: PostgresReader, count: int) -> None:
    rows = asked(reader, "SELECT id FROM notes WHERE id <= :count ORDER BY id", count=count)
    assert [row["id"] for row in rows] == list(range(1, count + 1))


def test_a_stream_does_not_wait_for_all_rows(engine: Engine) -> None:
    reader = PostgresReader(engine, timeout=timedelta(seconds=5), rows_at_once=1)
    sleepy = "SELECT n, CASE WHEN n > 1 THEN pg_sleep(3600) END FROM generate_series(1, 2) AS n"
    stream = reader.rows(sleepy, {})
    assert next(iter(stream))["n"] == 1


def test_an_iterator_that_is_left_gives_its_connection_back(engine: Engine, reader: PostgresReader) -> None:
    stream = reader.rows("SELECT id FROM notes", {})
    next(stream)
    before = engine.pool.checkedout()  # type: ignore[attr-defined]
    stream.close()  # type: ignore[attr-defined]
    assert (before, engine.pool.checkedout()) == (1, 0)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO notes VALUES (0)",
        "DELETE FROM notes",
        "WITH gone AS (DELETE FROM notes RETURNING id) SELECT * FROM gone",
        "SELECT nextval('numbers')",
        "CREATE TABLE other (id integer)",
    ],
)
def test_writing_is_refused_as_read_only(reader: PostgresReader, sql: str) -> None:
    with pytest.raises(Permanent, match="read-only"):
        asked(reader, sql)
    assert asked(reader, "SELECT count(*) AS n FROM notes") == [{"n": 1000}]


@pytest.mark.parametrize("sql", ["SELECT 1; COMMIT; DELETE FROM notes", "COMMIT; DELETE FROM notes"])
def test_a_second_statement_is_refused(reader: PostgresReader, sql: str) -> None:
    with pytest.raises(Permanent, match="multiple commands"):
        asked(reader, sql)
    assert asked(reader, "SELECT count(*) AS n FROM notes") == [{"n": 1000}]


def test_a_setting_does_not_outlive_its_query(engine: Engine) -> None:
    reader = PostgresReader(engine)
    asked(reader, "SET transaction_read_only = off")
    with pytest.raises(Permanent, match="read-only"):
        asked(reader, "DELETE FROM notes")
    assert asked(reader, "SHOW statement_timeout") == [{"statement_timeout": "30s"}]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT wrong FROM notes", 'column "wrong" does not exist'),
        ("SELEKT 1", 'syntax error at or near "SELEKT"'),
        ("SELECT 1 / 0", "division by zero"),
        ("SELECT :unset", "no value for unset"),
    ],
)
def test_wrong_sql_is_permanent_with_the_words_of_postgres(reader: PostgresReader, sql: str, message: str) -> None:
    with pytest.raises(Permanent, match=message):
        asked(reader, sql)


def test_a_text_with_nul_is_permanent(reader: PostgresReader) -> None:
    with pytest.raises(Permanent, match="NUL"):
        asked(reader, "SELECT :text AS text", text="a\0b")


def test_a_query_that_takes_too_long_is_cut_off(engine: Engine) -> None:
    with pytest.raises(Permanent, match=r"longer than 0\.05 s"):
        asked(PostgresReader(engine, timeout=timedelta(milliseconds=50)), "SELECT pg_sleep(60)")


def test_what_is_no_query_but_reads_is_answered(reader: PostgresReader) -> None:
    (row,) = asked(reader, "EXPLAIN (COSTS OFF) VALUES (1)")
    assert row == {"QUERY PLAN": "Result"}


def test_an_unreachable_database_is_transient() -> None:
    reader = PostgresReader(connect("postgresql://u:secret@127.0.0.1:1/none"))
    with pytest.raises(Transient, match=r"127\.0\.0\.1:1/none is away") as caught:
        asked(reader, "SELECT 1")
    assert "secret" not in str(caught.value)


def test_a_connection_cut_amid_a_stream_is_transient_and_replaced(engine: Engine, reader: PostgresReader) -> None:
    stream = iter(reader.rows("SELECT pg_backend_pid() AS pid FROM notes", {}))
    pid = next(stream)["pid"]
    asked(PostgresReader(engine), "SELECT pg_terminate_backend(:pid, 5000)", pid=pid)
    with pytest.raises(Transient, match="is away"):
        list(stream)
    assert asked(reader, "SELECT 1 AS one") == [{"one": 1}]
