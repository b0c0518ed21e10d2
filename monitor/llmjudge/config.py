"""Which model is asked, about how many answers, and within what bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """The endpoint behind the score `judge`; without a ``url`` nobody is asked and no text leaves this place.

    Attributes:
        url: what stands before ``/chat/completions``, such as ``http://127.0.0.1:8000/v1``.
        model: its name there.
        token: sent as ``Authorization: Bearer``.
        share: of the answers with context, chosen by the hash of their id.
        per_minute: the most requests in a minute, of all judges on one database together.
        timeout_s: for each step of a request; past it the score is an error.
        characters: answer, question and passages together; longer ones are not sent.
        logprobs: ask for log-probabilities, from which the verdicts become probabilities.
    """

    url: str | None = None
    model: str = ""
    token: str | None = field(default=None, repr=False)
    share: float = 0.01
    per_minute: int = 10
    timeout_s: float = 30.0
    characters: int = 32_000
    logprobs: bool = False

    def __post_init__(self) -> None:
        if self.url is not None:
            parts = urlsplit(self.url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("judge url: expected http://HOST… or https://HOST…")
            if not self.model:
                raise ValueError("judge model: expected the name of a model at the url, got none")
        for name, value, most in (("share", self.share, 1), ("timeout_s", self.timeout_s, 600)):
            if not 0 < value <= most:
                raise ValueError(f"judge {name}: expected over 0 and at most {most}, got {value:g}")
        for name, count in (("per_minute", self.per_minute), ("characters", self.characters)):
            if count < 1:
                raise ValueError(f"judge {name}: expected at least 1, got {count}")
