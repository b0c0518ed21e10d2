import threading
from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import Engine

from monitor.errors import Permanent
from monitor.storage.engine import connect
from monitor.storage.migrate import configured, current, migrate, newest, require


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = connect(database_url)
    yield engine
    engine.dispose()


def objects(engine: Engine) -> set[str]:
    """Tables, views, indexes, sequences and functions of ours, but for the version's own table."""
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        )
        return {row.name for row in found if not row.name.startswith("driftwarden_version")}


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    first, made = migrate(engine), objects(engine)
    second = migrate(engine)

    assert first == (None, newest())
    assert second == (newest(), newest())
    assert objects(engine) == made
    assert current(engine) == newest()


def test_two_processes_that_start_together_migrate_once(database_url: str) -> None:
    outcomes: list[tuple[str | None, str]] = []
    engines = [connect(database_url) for _ in range(3)]
    threads = [threading.Thread(target=lambda e=each: outcomes.append(migrate(e))) for each in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in engines:
        each.dispose()

    assert sorted(outcomes, key=str) == [(newest(), newest()), (newest(), newest()), (None, newest())]


def test_a_downgrade_leaves_nothing_and_an_upgrade_brings_it_all_back(engine: Engine) -> None:
    migrate(engine)
    made = objects(engine)
    config = configured()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
    left = objects(engine)
    migrate(engine)

    assert left == set()
    assert objects(engine) == made
    assert {"traces", "v_traces", "trace_prompt", "alerts_one_open"} <= made


def test_a_program_says_which_schema_it_needs(engine: Engine) -> None:
    with pytest.raises(Permanent, match=f"the database has no schema, this program needs {newest()}: run"):
        require(engine)
    migrate(engine)

    require(engine)
    assert current(engine) == newest()
