"""The real encoder, built once per session."""

from pathlib import Path

import pytest

from monitor.inference.build import build_minilm
from monitor.inference.encoder import Encoder


@pytest.fixture(scope="session")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_minilm(tmp_path_factory.mktemp("models") / "all-MiniLM-L6-v2")


@pytest.fixture(scope="session")
def encoder(minilm: Path) -> Encoder:
    return Encoder.load(minilm, cache_bytes=0)
