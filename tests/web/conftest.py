"""A real database with our schema, and the application over it."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from monitor.storage.engine import connect
from monitor.storage.migrate import migrate
from monitor.storage.reader import PostgresReader
from tests.web.support import Store, open_client


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    engine = connect(database_url)
    migrate(engine)
    yield Store(engine)
    engine.dispose()


@pytest.fixture
def reader(store: Store) -> PostgresReader:
    return PostgresReader(store.engine)


@pytest.fixture
def client(reader: PostgresReader) -> TestClient:
    return open_client(reader)
