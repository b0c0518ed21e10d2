"""Workers for tests: one to share, and ones with settings of a test's own."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import openai

    from tests.web.worker.support import Site, Start

# What speaks Kafka is imported by the fixtures: a conftest may be read before warnings are filtered.


@pytest.fixture(autouse=True, scope="module")
def forgotten_sockets() -> Iterator[None]:
    """Sockets that kafka-python forgets are collected where the warning of them is expected."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from monitor.inference.decoder.seeded import seeded_folder

    return seeded_folder(tmp_path_factory.mktemp("served") / "bot", "shared")


@pytest.fixture
def start(model: Path) -> Iterator[Start]:
    """Starts a worker with settings of the test's own."""
    from tests.web.worker.support import running

    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(running(model, **given))


@pytest.fixture(scope="module")
def site(model: Path) -> Iterator[Site]:
    """A worker that tests share; they leave it as they found it."""
    from tests.web.worker.support import running

    with running(model) as found:
        yield found


@pytest.fixture
def client(site: Site) -> Iterator[openai.OpenAI]:
    with site.client() as made:
        yield made
