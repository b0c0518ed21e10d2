"""Seeded decoders in both exports, written once per session."""

from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.inference.decoder.decoder import Decoder
from monitor.inference.decoder.seeded import Export, seeded_folder

SLOTS = 4
LENGTH = 96

Load = Callable[..., Decoder]


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Export, Path]:
    root = tmp_path_factory.mktemp("decoders")
    exports: tuple[Export, ...] = ("growing", "shared")
    return {export: seeded_folder(root / export, export) for export in exports}


@pytest.fixture(params=["growing", "shared"])
def folder(request: pytest.FixtureRequest, folders: dict[Export, Path]) -> Path:
    return folders[request.param]


@pytest.fixture
def decoder(folder: Path) -> Decoder:
    return Decoder.load(folder / "model.onnx", slots=SLOTS, length=LENGTH)
