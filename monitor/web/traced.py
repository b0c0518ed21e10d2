"""Requests that are no traffic of users, as canaries are, and say so."""

from __future__ import annotations

from collections.abc import Mapping

HEADER = "x-driftwarden-traced"


def untraced(headers: Mapping[str, str]) -> bool:
    """Whether a request asks to leave no trace."""
    return headers.get(HEADER, "").strip().lower() == "false"
