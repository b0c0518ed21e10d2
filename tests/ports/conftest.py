"""The stores that every test of a port runs on: in memory, and in Postgres."""

from collections.abc import Iterator

import pytest

from monitor.model.baseline import Baseline
from tests.ports.watching import begun
from tests.stores import KINDS_OF_STORES, Stores, opened


@pytest.fixture(params=KINDS_OF_STORES)
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    with opened(request) as found:
        yield found


@pytest.fixture
def baseline(stores: Stores) -> Baseline:
    return begun(stores)
