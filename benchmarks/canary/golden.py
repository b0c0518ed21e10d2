"""Golden prompts: questions on pages that the assistant's training did not hold, with the answers that are right."""

from __future__ import annotations

from monitor.model.canary import Canary, Turn
from training.assistant.corpus import Exchange, exchanges, orrelbox


def golden(count: int, seed: int) -> list[Canary]:
    """Half about products with new names and values, half about the demo's own pages."""
    rows = [*exchanges("held-out", seed, count - count // 2), *orrelbox(seed, count // 2)]
    return [canary(f"golden-{number:02}", row) for number, row in enumerate(rows)]


def canary(name: str, row: Exchange) -> Canary:
    system = (Turn("system", row.system),) if row.system is not None else ()
    return Canary(
        name=name, messages=(*system, Turn("user", row.question)), context=row.passages, expected=(row.answer,)
    )
