"""Brings the database to the newest schema."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from monitor.errors import Permanent
from monitor.storage.engine import guarded

# Any number, the same for all: two processes that start together migrate one after the other.
LOCK = 7_310_467


def folder() -> Path:
    """Where the migrations lie: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


def configured() -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder()).replace("%", "%%"))
    return config


def newest() -> str:
    head = ScriptDirectory.from_config(configured()).get_current_head()
    if head is None:
        raise Permanent(f"no migrations in {folder()}: the installation is incomplete")
    return head


def current(engine: sa.Engine) -> str | None:
    """The schema version of the database; None for an empty one."""
    with guarded(engine), engine.connect() as connection:
        return MigrationContext.configure(
            connection, opts={"version_table": "driftwarden_version"}
        ).get_current_revision()


def migrate(engine: sa.Engine) -> tuple[str | None, str]:
    """Upgrades the schema; returns the versions before and after."""
    with guarded(engine), engine.connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK})")
        connection.commit()
        try:
            before = current(engine)
            config = configured()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        finally:
            connection.rollback()
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK})")
            connection.commit()
    return before, newest()


def require(engine: sa.Engine) -> None:
    """Raises Permanent unless the schema is the newest."""
    version = current(engine)
    if version != newest():
        have = f"version {version}" if version else "no schema"
        raise Permanent(f"the database has {have}, this program needs {newest()}: run `driftwarden migrate`")
