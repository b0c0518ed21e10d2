"""Which endpoint is asked, how often, and when a difference counts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class CanaryConfig:
    """The endpoint that golden prompts are sent to; without a ``url`` none is.

    Attributes:
        url: what stands before ``/chat/completions``, such as ``http://127.0.0.1:8323/v1``.
        model: its name there; the only one that ``/models`` lists unless given.
        target: what alerts and views call what is watched; the model's name unless given.
        token: sent as ``Authorization: Bearer``.
        every_s: between two prompts.
        repeats: how many answers to each prompt make the reference: the first is compared with, the others measure the
            endpoint's own noise.
        alpha: the most that a false alarm may ever be likely, after each reference.
        floor: differences of log-probabilities up to this are none, in nats.
        top_logprobs: tokens at each position that are compared; 0 asks for no log-probabilities.
        max_tokens: of an answer, unless its prompt says another number.
        timeout_s: for each step of a request.
    """

    url: str | None = None
    model: str | None = None
    target: str | None = None
    token: str | None = field(default=None, repr=False)
    every_s: float = 60.0
    repeats: int = 5
    alpha: float = 0.01
    floor: float = 0.001
    top_logprobs: int = 5
    max_tokens: int = 64
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        if self.url is not None:
            parts = urlsplit(self.url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("canary url: expected http://HOST… or https://HOST…")
        if not (math.isfinite(self.every_s) and 0 <= self.every_s <= 86_400):
            raise ValueError(f"canary every_s: expected 0 to 86400, got {self.every_s:g}")
        for name, value, most in (
            ("alpha", self.alpha, 0.5),
            ("floor", self.floor, 1),
            ("timeout_s", self.timeout_s, 600),
        ):
            if not 0 < value <= most:
                raise ValueError(f"canary {name}: expected over 0 and at most {most}, got {value:g}")
        for name, count, least, most in (
            ("repeats", self.repeats, 2, 100),
            ("top_logprobs", self.top_logprobs, 0, 20),
            ("max_tokens", self.max_tokens, 1, 4096),
        ):
            if not least <= count <= most:
                raise ValueError(f"canary {name}: expected {least} to {most}, got {count}")
