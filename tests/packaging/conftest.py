"""What the tests of packaging and deployment share: the checkout, and the program's word on an environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from monitor.settings import Settings


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parents[2]


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Mapping[str, object]], Settings]:
    """The settings that the program reads from an environment of a container, or the error it would end with."""

    # Not above: pytest may load this file before the one that says which warnings of kafka-python are no errors.
    from monitor.loading import load_settings

    def read(environment: Mapping[str, object]) -> Settings:
        with monkeypatch.context() as patched:
            patched.chdir(tmp_path)  # no driftwarden.toml of someone else
            for name in [name for name in os.environ if name.startswith("DRIFTWARDEN_")]:
                patched.delenv(name)
            for name, value in environment.items():
                if name.startswith("DRIFTWARDEN_") and value is not None:  # Compose passes on what is set, if it is
                    patched.setenv(name, str(value))
            return load_settings()

    return read
