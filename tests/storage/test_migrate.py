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


def test_scores_of_an_older_schema_are_seen_as_before(engine: Engine) -> None:
    config = configured()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(OLD_ROWS)
        connection.commit()
        seen = {}
        for step, to in (("before", None), ("after", "0002"), ("back", "0001"), ("again", "0002")):
            if to is not None:
                (command.downgrade if step == "back" else command.upgrade)(config, to)
                connection.commit()
            seen[step] = [
                connection.exec_driver_sql(f"SELECT * FROM {view} ORDER BY 2, 3, 1, 5").all()
                for view in ("v_traces", "v_scores")
            ]

    assert seen["after"] == seen["back"] == seen["again"] == seen["before"]
    traces, scores = seen["after"]
    assert [(row.id, row.prompt_tokens, row.response_tokens, row.latency_s) for row in traces] == [
        ("a", None, 70.0, 1.5),
        ("b", 9.0, None, None),
        ("c", None, None, None),
    ]
    assert [(row.id, row.score, row.value, row.status, row.reason, row.spans) for row in scores] == [
        ("a", "abstention", 0.5, "ok", None, [[0, 6]]),
        ("a", "uncertainty.peak", None, "insufficient_input", "no log-probabilities", []),
        ("b", "abstention", 0.0, "ok", None, []),
    ]


OLD_ROWS = """
    INSERT INTO traces (time, tenant, id, build, model, received_at, topic, partition, "offset", record)
    SELECT '2026-05-01', 'acme', id, 'bot:1', 'bot', '2026-05-01', 't', 0, 0, '{}' FROM unnest('{a,b,c}'::text[]) AS id;
    INSERT INTO scores VALUES ('2026-05-01', 'acme', 'a', '{"latency": 1.5, "response.tokens": 70, "status": "ok"}',
        '{"abstention": {"value": 0.5, "status": "ok", "spans": [[0, 6]]},
          "uncertainty.peak": {"status": "insufficient_input", "reason": "no log-probabilities"}}');
    INSERT INTO scores VALUES ('2026-05-01', 'acme', 'b', '{"prompt.tokens": 9, "abstention": 0}',
        '{"abstention": {"value": 0, "status": "ok", "spans": []}}');
"""
