"""A guard behind an address: its answer, or within the deadline what counts for none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Overrun

import httpx
import msgspec

from monitor.guard.policy import OnError
from monitor.model.check import CheckRequest, Decision, Unmeasured
from monitor.model.guarded import ACTIONS, Finding, Verdict
from monitor.ports import Seconds

UNREACHED = "guard"


class GuardClient:
    """Asks a guard over HTTP; safe to share among threads.

    Whatever becomes of the guard (dead, frozen, slow, talking nonsense), an answer is there within ``deadline_s``: its
    own, or one that allows (``on_error`` allow, fail-open) or denies (fail-closed), marked as degraded.
    """

    def __init__(self, url: str, *, token: str | None, deadline_s: float, on_error: OnError, timer: Seconds) -> None:
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        # httpx bounds each step of a request; the future below bounds the whole.
        self.http = httpx.Client(base_url=url, headers=headers, timeout=deadline_s, trust_env=False)
        self.deadline_s, self.on_error, self.timer = deadline_s, on_error, timer
        self.pool = ThreadPoolExecutor(32, thread_name_prefix="guard-client")

    def check(self, request: CheckRequest) -> Decision:
        began = self.timer()
        allowed_s = (request.deadline_ms or self.deadline_s * 1000) / 1000
        try:
            return self.pool.submit(self.ask, request).result(allowed_s)
        except (Overrun, httpx.HTTPError, msgspec.DecodeError) as error:
            late = isinstance(error, Overrun | httpx.TimeoutException)
            reason = f"no answer within {allowed_s * 1000:g} ms" if late else f"{type(error).__name__}: {error}"
            return self.without(request, reason, self.timer() - began)

    def ask(self, request: CheckRequest) -> Decision:
        answer = self.http.post("/v1/guard/check", content=msgspec.json.encode(request))
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=Decision)

    def without(self, request: CheckRequest, reason: str, latency_s: float) -> Decision:
        """The decision where the guard gave none."""
        verdict: Verdict = "allow" if self.on_error == "allow" else "deny"
        finding = Finding(UNREACHED, request.stage, "enforce", "deny", reason=reason[:300])
        return Decision(
            verdict=verdict,
            action=ACTIONS[verdict],
            policy=request.policy or "",
            policy_hash="",
            stage=request.stage,
            findings=[finding] if verdict == "deny" else [],
            unmeasured=[Unmeasured(UNREACHED, reason[:300], error=True)],
            latency_s=latency_s,
            degraded=True,
        )

    def close(self) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.http.close()
