"""Language models that come with the package, by name."""

from __future__ import annotations

from pathlib import Path

MODELS = Path(__file__).with_name("models")
ASSISTANT = MODELS / "assistant"


def model_folder(name: Path) -> Path:
    """The folder itself, or that of a shipped model where there is no folder of the name."""
    shipped = MODELS / name
    return shipped if not name.exists() and len(name.parts) == 1 and shipped.is_dir() else name
