"""Sockets that kafka-python forgets are collected where the warning of them is expected."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def forgotten_sockets() -> Iterator[None]:
    """The suite passes over them by a filter, which is in force in tests and not when the session ends."""
    yield
    gc.collect()
