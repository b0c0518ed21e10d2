"""One request on its way: the guard, the model, and in the end its trace, its span and its figures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from starlette.types import Receive

from monitor.errors import Permanent
from monitor.events import Generated
from monitor.model.check import CheckRequest, Decision
from monitor.model.exchange import Context, Exchange
from monitor.model.generation import Failed, Job, Piece, Told
from monitor.web.worker.asking import Asked
from monitor.web.worker.desk import Desk, Post
from monitor.web.worker.errors import Refused

STOPS = ("abstain", "deny")
NO_ANSWER = "I don't know."

T = TypeVar("T")


class Gone(Exception):  # noqa: N818 - a fact
    """The client has hung up."""


class Turn:
    """``decisions`` are the guard's; ``close`` is called once, however the request ends."""

    def __init__(self, desk: Desk, post: Post, asked: Asked) -> None:
        self.desk, self.asked = desk, asked
        self.mailbox: asyncio.Queue[Told | None] = post.mailbox()
        self.span = desk.span(asked.operation, desk.model, asked.traceparent)
        self.job: Job | None = None
        self.decisions: list[Decision] = []
        self.created = int(asked.at.timestamp())
        self.closed = False

    async def guarded(self, check: Callable[[T], Decision], request: T) -> Decision:
        """A decision, made by another thread: this one answers everybody."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.desk.pool, check, request)
        except Permanent as error:  # a policy that is not here
            raise Refused(400, str(error), param="driftwarden.policy", code="policy_not_found") from error

    async def admitted(self) -> Decision | None:
        """What the guard says of the prompt where it is not to be answered; None where it is."""
        if self.desk.check is None:
            return None
        decision = await self.guarded(self.desk.check, self.request("input"))
        self.decisions.append(decision)
        return decision if decision.verdict in STOPS else None

    async def approved(self, place: int) -> Decision | None:
        """What the guard says of an answer where it is not to be given."""
        if self.desk.check is None or self.job is None:
            return None
        choice = self.job.choices[place]
        asked = msgspec.structs.replace(
            self.request("output"),
            output=choice.text,
            finish_reason=choice.finish if choice.finish else "error",
            logprobs=self.desk.logprobs(choice),
        )
        decision = await self.guarded(self.desk.check, asked)
        if place == 0:
            self.decisions.append(decision)
        return decision if decision.verdict in STOPS else None

    def request(self, stage: Any) -> CheckRequest:
        asked = self.asked
        return CheckRequest(stage, asked.checked(), context=asked.passages(), policy=asked.extension.policy)

    def submit(self) -> Job:
        """Put the request in the model's queue. Raises Refused where that is full."""
        job = self.desk.scheduler.submit(self.asked.ask, self.mailbox)
        if job is None:
            self.close("queue_full")
            wait_s = self.desk.scheduler.retry_after_s()
            raise Refused(
                429,
                f"all slots are taken and the queue is full; try again in {wait_s} s",
                code="rate_limit_exceeded",
                retry_s=wait_s,
            )
        self.job = job
        return job

    async def next(self) -> Piece:
        """The next piece of any choice.

        Raises:
            Gone: nobody reads it.
            Refused: the model failed.
        """
        told = await self.mailbox.get()
        if told is None:
            raise Gone
        if isinstance(told, Failed):
            raise Refused(500, f"the model failed: {told.reason}", code="generation_failed")
        return told

    async def watch(self, receive: Receive) -> None:
        """Note in the mailbox when the client hangs up."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.mailbox.put_nowait(None)

    def usage(self) -> dict[str, int]:
        read = len(self.asked.ask.prompt)
        given = self.job.choices[: self.asked.ask.choices] if self.job is not None else []
        written = sum(len(choice.ids) for choice in given)
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}

    def extension(self) -> dict[str, Any]:
        """What we add to an answer: what the log-probabilities are, and what the guard did."""
        worst = next((each for each in self.decisions if each.verdict in STOPS), None)
        told: dict[str, Any] = {"logprobs": "raw, before temperature"}
        if self.decisions:
            told["guard"] = {"verdict": (worst or self.decisions[-1]).verdict, "policy": self.decisions[-1].policy}
        return told

    def envelope(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.asked.id, "object": kind, "created": self.created, "model": self.desk.model,
            "system_fingerprint": self.desk.build,
        }  # fmt: skip

    def close(self, error: str | None = None) -> None:
        """Tell what became of it: the trace once none of its rows is under way, span and figures now."""
        if self.closed:
            return
        self.closed = True
        desk, asked, job = self.desk, self.asked, self.job
        if job is not None and error is not None:
            desk.scheduler.cancel(job)
        event = self.event(error)
        desk.emit(event)
        given = job.choices[: asked.ask.choices] if job is not None else []
        self.span.end(event, asked.id, tuple(choice.finish or "error" for choice in given))
        if not asked.traced or error == "queue_full":
            return
        exchange = Exchange(
            id=asked.id,
            operation=asked.operation,
            at=asked.at,
            ended_at=desk.clock(),
            requested=asked.requested,
            options=asked.options,
            messages=asked.messages,
            prompt_text=asked.prompt_text,
            context=Context(self.span.trace_id, self.span.span_id, self.span.parent_span_id),
            job=job,
            error=error,
            documents=asked.documents,
            segment=asked.segment,
            template=asked.extension.trace.prompt_template,
            retrieval=asked.extension.trace.retrieval,
            decisions=self.decisions,
        )
        if job is None:
            desk.tracing.record(exchange)
        else:
            job.when_settled(lambda: desk.tracing.record(exchange))

    def event(self, error: str | None) -> Generated:
        job, asked = self.job, self.asked
        clock = job.clock if job is not None else None
        tokens = len(job.choices[0].ids) if job is not None and job.choices else 0
        decode = clock.ended - clock.first if clock is not None and clock.ended and clock.first else None
        return Generated(
            operation=asked.operation,
            requested=asked.requested,
            model=self.desk.model,
            error=error,
            streamed=asked.ask.streams,
            seconds=self.desk.timer() - asked.came,
            first_token_s=clock.first - clock.came if clock is not None and clock.first else None,
            token_s=decode / (tokens - 1) if decode is not None and tokens > 1 else None,
            input_tokens=len(asked.ask.prompt),
            output_tokens=self.usage()["completion_tokens"],
        )
