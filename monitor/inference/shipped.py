"""Language models that come with the package, by name."""

from __future__ import annotations

from pathlib import Path

MODELS = Path(__file__).with_name("models")
ASSISTANT = MODELS / "assistant"


def model_folder(name: Path) -> Path:
    """The folder itself, or that of a shipped model where there is no folder of the name."""
    shipped = MODELS / name
    return shipped if not name.exists() and len(name.parts) == 1 and shipped.is_dir() else name


def adapter_folder(name: Path, model: Path) -> Path:
    """The path itself, or that of an adapter which lies with the model where there is nothing of the name."""
    beside = model / "adapters" / name
    return beside if not name.exists() and len(name.parts) == 1 and beside.is_dir() else name
