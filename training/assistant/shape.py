"""How large the decoder is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    vocabulary: int = 2048
    width: int = 192
    layers: int = 5
    heads: int = 4
    inner: int = 768
    rotary: int = 16
    """Dimensions of a head that turn with the position; the others compare contents at any distance."""
    base: float = 10_000.0

    @property
    def head(self) -> int:
        return self.width // self.heads
