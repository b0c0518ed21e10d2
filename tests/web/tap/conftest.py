"""A tap before a real worker that tests share, and taps of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.web.worker.conftest import forgotten_sockets, model

if TYPE_CHECKING:
    import openai

    from tests.web.tap.support import Tapped, TapSite
    from tests.web.worker.support import Site

__all__ = ["forgotten_sockets", "model"]


@pytest.fixture(scope="module")
def worker(model: Path) -> Iterator[Site]:
    from tests.web.worker.support import running

    with running(model) as found:
        yield found


@pytest.fixture(scope="module")
def shared(worker: Site) -> Iterator[TapSite]:
    """Tests leave it as they found it."""
    from tests.web.tap.support import before

    with before(worker.address) as found:
        yield found


@pytest.fixture
def tapped() -> Iterator[Tapped]:
    """Starts a tap before an address."""
    from tests.web.tap.support import before

    with ExitStack() as stack:
        yield lambda upstream, **given: stack.enter_context(before(upstream, **given))


@pytest.fixture
def client(shared: TapSite) -> Iterator[openai.OpenAI]:
    with shared.client() as made:
        yield made


@pytest.fixture
def direct(worker: Site) -> Iterator[openai.OpenAI]:
    with worker.client() as made:
        yield made
