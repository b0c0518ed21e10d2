"""Which server is tapped, what is added to its requests, and what traces say of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field


@dataclass(frozen=True, slots=True)
class TapConfig:
    """The tap before an OpenAI-compatible server.

    Attributes:
        upstream: the server, such as ``http://127.0.0.1:8000``; a ``/v1`` at its end may be left out.
        upstream_key: sent with the tap's own questions for ``/v1/models``; requests keep the key they came with.
        token: asked for at ``/metrics`` and ``/v1/feedback``, the tap's own.
        top_logprobs: alternatives per token that are asked for and traced.
        source: what the upstream's log-probabilities are, before its temperature or after it.
        timeout_s: how long the upstream may say nothing.
        connect_s: how long it may take to accept a connection.
        name: what traces call the model; by default what the reply calls it.
        version: of the deployment, as the build of the traces; without it the ``system_fingerprint`` of the reply.
        trace_rate: share of requests that are traced; to the others nothing is added.
        trace_queue, trace_delay_s, spool, spool_bytes: as of the worker.
        service, environment: how traces name the tap.
    """

    upstream: str | None = None
    upstream_key: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8324
    token: Annotated[str | None, Field(min_length=16, repr=False)] = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 5
    source: Literal["raw", "post_temperature"] = "raw"
    timeout_s: Annotated[float, Field(gt=0, le=86400)] = 600.0
    connect_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    name: Annotated[str | None, Field(min_length=1, max_length=256)] = None
    version: Annotated[str | None, Field(min_length=1, max_length=256)] = None
    trace: bool = True
    trace_rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    trace_queue: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    trace_delay_s: Annotated[float, Field(ge=0.01, le=60)] = 2.0
    spool: Path | None = None
    spool_bytes: Annotated[int, Field(ge=2**20, le=2**40)] = 256 * 2**20
    service: str = "driftwarden-tap"
    environment: str | None = None

    def __post_init__(self) -> None:
        if self.upstream is None:
            return
        parts = urlsplit(self.upstream)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"expected http://HOST… or https://HOST… without a query, got {self.upstream[:200]!r}")

    @property
    def base(self) -> str:
        """The upstream without a slash or ``/v1`` at its end: requests bring their own."""
        return (self.upstream or "").rstrip("/").removesuffix("/v1")
