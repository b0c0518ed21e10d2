"""Connections to Postgres, and its errors as ours: again, or never."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import pq
from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper
from sqlalchemy.exc import DBAPIError

from monitor.errors import Permanent, Transient, Unstorable

# A statement of ours that waits longer than this waits for something that is not coming.
CONNECT_S = 5
LOCK_MS = 30_000
# Frees the row locks of an owner that froze inside its transaction.
IDLE_IN_TRANSACTION_MS = 20_000

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")


class Json(bytes):
    """JSON text that is sent as jsonb as it stands."""

    __slots__ = ()


class JsonbDumper(Dumper):
    format = pq.Format.BINARY
    oid = psycopg.postgres.types["jsonb"].oid

    def dump(self, obj: bytes) -> bytes:
        return b"\x01" + obj


def connect(url: str, *, pool_size: int = 4) -> sa.Engine:
    """An engine for the database; connects on first use. Raises Permanent for a URL that can't be one of Postgres."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise Permanent(
            "database.url: expected postgresql://USER:PASSWORD@HOST:PORT/NAME, got something else"
        ) from error
    if parsed.drivername not in SCHEMES:
        raise Permanent(f"database.url: expected postgresql://…, got {parsed.drivername}://…")
    options = f"-c lock_timeout={LOCK_MS} -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS}"
    engine = sa.create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={
            "connect_timeout": CONNECT_S,
            "options": f"{options} -c timezone=UTC",
            "application_name": "driftwarden",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        },
    )
    sa.event.listen(engine, "connect", register_json)
    return engine


def register_json(connection: Any, _record: Any) -> None:
    """Makes a connection send ``Json`` as jsonb and skip preparing what it runs once."""
    adaptable: AdaptContext = connection.driver_connection if hasattr(connection, "driver_connection") else connection
    adaptable.adapters.register_dumper(Json, JsonbDumper)


def place_of(engine: sa.Engine) -> str:
    """Where the database is, without its password."""
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=True)


@contextmanager
def guarded(engine: sa.Engine) -> Iterator[None]:
    """Turns the database's errors into Transient, Unstorable or Permanent, with a sentence for a person."""
    try:
        yield
    except (DBAPIError, psycopg.Error, sa.exc.TimeoutError) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        raise translated(cause, engine) from error


def translated(cause: BaseException, engine: sa.Engine) -> Permanent | Transient | Unstorable:
    text = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    place = place_of(engine)
    refusals = ("password authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry")
    if isinstance(cause, psycopg.OperationalError) and any(refusal in str(cause) for refusal in refusals):
        return Permanent(f"database {place} refuses us: {text}")
    if isinstance(cause, (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)):
        return Transient(f"database {place} asks to try again: {text}")
    if isinstance(cause, (psycopg.OperationalError, psycopg.InterfaceError, sa.exc.TimeoutError)):
        return Transient(f"database {place} is away: {text}")
    if isinstance(cause, psycopg.errors.UndefinedTable):
        return Permanent(f"database {place} has no Driftwarden tables: run `driftwarden migrate` ({text})")
    if isinstance(cause, (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError)):
        return Unstorable(f"database {place}: {text}")
    return Transient(f"database {place}: {text}")
