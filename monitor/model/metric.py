"""Figures for Prometheus as plain values, so that who counts them and who writes them out need not know each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure with its samples: (values of ``labels``, value).

    The name of a counter stands without the ``_total`` that its samples carry.
    """

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...]
    samples: Sequence[tuple[tuple[str, ...], float]]
