"""Texts that are too long."""

from __future__ import annotations

from detectors.score import Score, ok


def size(text: str, limit: int) -> Score:
    """0 up to the limit, then 1 − limit/length; the span is what is too much.

    >>> size("abcd", 3).value, size("abc", 3).value
    (0.25, 0.0)
    """
    return ok(1 - limit / len(text), ((limit, len(text)),)) if len(text) > limit else ok(0.0)
