"""Read-only queries over the public views, streamed through a server-side cursor."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import psycopg
from psycopg.rows import DictRow, dict_row
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from monitor.errors import Permanent, Transient
from monitor.storage.engine import place_of, translated

Cursor = psycopg.Cursor[DictRow]

# Classes of SQLSTATE that speak of the server and its load, not of the query.
_OF_THE_SERVER = ("08", "25P03", "40", "53", "55", "57P", "58")

# Whoever reads a stream may pause between rows; what writes may not, and has a shorter limit by default.
_PAUSE = timedelta(minutes=10)


class PostgresReader:
    """The port Reader on Postgres. Every query is one READ ONLY transaction of its own.

    Args:
        engine: where to get connections.
        timeout: the longest that Postgres may work on one step of a query (the next rows of a stream are a step).
        rows_at_once: how many rows of a stream are held in memory.
    """

    def __init__(self, engine: Engine, *, timeout: timedelta = timedelta(seconds=30), rows_at_once: int = 200) -> None:
        self._engine = engine
        self._timeout = timeout
        self._rows_at_once = rows_at_once

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Rows of one statement; ``:name`` in ``sql`` stands for ``parameters["name"]``.

        The transaction lasts until the rows are used up or the iterator is closed.

        Raises:
            Transient: the database is away.
            Permanent: Postgres refuses the statement, for being wrong, for writing, or for taking too long.
        """
        compiled = text(sql).compile(dialect=self._engine.dialect)
        missing = sorted(compiled.params.keys() - parameters.keys())
        if missing:
            raise Permanent(f"the query has no value for {', '.join(missing)}")
        values = {name: parameters[name] for name in compiled.params}
        with self._errors(), self._connection() as connection:
            cursor = self._begin(connection)
            try:
                # `prepare` takes one statement only: nothing can follow a COMMIT slipped into the text.
                cursor.execute(f"DECLARE listed NO SCROLL CURSOR FOR {compiled}", values, prepare=True)
            except (psycopg.errors.SyntaxError, psycopg.errors.FeatureNotSupported):
                # No query, or a wrong one. Alone, Postgres says what it thinks of it without our prefix.
                connection.rollback()
                cursor = self._begin(connection)
                cursor.execute(str(compiled), values, prepare=True)
                yield from cursor if cursor.description else ()
                return
            while page := cursor.execute(f"FETCH {self._rows_at_once} FROM listed").fetchall():
                yield from page
                if len(page) < self._rows_at_once:
                    return

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        with self._engine.connect() as connection:
            driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
            try:
                yield driver
            finally:
                if driver.closed:  # SQLAlchemy did not see it break
                    connection.invalidate()

    def _begin(self, connection: psycopg.Connection[Any]) -> Cursor:
        cursor = connection.cursor(row_factory=dict_row)
        milliseconds = max(1, round(self._timeout / timedelta(milliseconds=1)))
        cursor.execute(
            f"SET LOCAL transaction_read_only = on; SET LOCAL statement_timeout = {milliseconds}; "
            f"SET LOCAL idle_in_transaction_session_timeout = {_PAUSE // timedelta(milliseconds=1)}"
        )
        return cursor

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except SQLAlchemyError as error:  # only connecting goes through SQLAlchemy
            raise translated(getattr(error, "orig", None) or error, self._engine) from error
        except psycopg.errors.QueryCanceled as error:
            raise Permanent(f"the query took longer than {self._timeout.total_seconds():g} s: ask for less") from error
        except psycopg.errors.ReadOnlySqlTransaction as error:
            raise Permanent(f"queries are read-only: {_said(error)}") from error
        except psycopg.Error as error:
            if _of_the_server(error):
                raise Transient(f"database {place_of(self._engine)} is away: {_said(error)}") from error
            raise Permanent(_said(error)) from error


def _of_the_server(error: psycopg.Error) -> bool:
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith(_OF_THE_SERVER)


def _said(error: psycopg.Error) -> str:
    """Postgres' message on one line with its hint."""
    parts = (error.diag.message_primary or str(error).strip(), error.diag.message_detail, error.diag.message_hint)
    return "; ".join(part for part in parts if part)
