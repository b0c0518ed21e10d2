"""One request to the endpoint: its reply, or what went wrong."""

from __future__ import annotations

import httpx

from monitor.errors import Transient
from monitor.llmjudge.config import JudgeConfig

MOST_BYTES = 2**20


class JudgeClient:
    """Asks a chat-completions endpoint; safe to share among threads. Redirects are not followed."""

    def __init__(self, config: JudgeConfig) -> None:
        token = {"authorization": f"Bearer {config.token}"} if config.token else {}
        self.url = f"{(config.url or '').rstrip('/')}/chat/completions"
        self.timeout_s = config.timeout_s
        self.http = httpx.Client(
            headers={"content-type": "application/json", **token}, timeout=config.timeout_s, trust_env=False
        )

    def ask(self, body: bytes) -> bytes:
        """The body of a reply with status 200. Raises Transient otherwise; the text holds nothing of the trace."""
        try:
            with self.http.stream("POST", self.url, content=body) as reply:
                if reply.status_code != 200:
                    raise Transient(f"the judge's endpoint answered HTTP {reply.status_code}")
                found = b""
                for part in reply.iter_bytes():
                    found += part
                    if len(found) > MOST_BYTES:
                        raise Transient(f"expected a reply of at most {MOST_BYTES} bytes from the judge, got more")
                return found
        except httpx.TimeoutException as error:
            raise Transient(f"no answer from the judge within {self.timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise Transient(f"the judge's endpoint is away: {type(error).__name__}: {error}"[:300]) from error

    def close(self) -> None:
        self.http.close()
