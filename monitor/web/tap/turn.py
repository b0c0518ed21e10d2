"""One request for generation on its way through the tap: its answers as they come, and in the end its traces."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace

from msgspec import UNSET

from monitor.events import Generated
from monitor.model.exchange import Context
from monitor.tap import Answer, Asked, Tapped, Wants, stripped
from monitor.tap.events import DONE, Events, data_of
from monitor.tap.replies import Reply, reply_of
from monitor.tap.tapped import Told
from monitor.web.tap.desk import Desk

UNKNOWN = "unknown"


class Turn:
    """``close`` is called once, however the request ends; ``wants`` is set once it is known what the upstream got."""

    def __init__(self, desk: Desk, asked: Asked, traceparent: str) -> None:
        self.desk, self.asked = desk, asked
        self.at, self.came, self.first = desk.clock(), desk.timer(), 0.0
        self.span = desk.span(asked.operation, asked.model, traceparent)
        self.id = f"tap-{uuid.uuid4().hex}"
        self.wants = Wants()
        self.told = Told()
        self.answers: dict[int, Answer] = {}
        self.events = Events()
        self.closed = False

    def whole(self, content: bytes) -> bytes:
        """A reply as the client gets it; it is for `take` later, when nobody waits."""
        return content if self.wants.all else stripped(content, self.wants) or content

    def feed(self, content: bytes) -> bytes:
        """Take the next bytes of a stream; those that the client gets, whole events where some are changed."""
        events = list(self.events.feed(content))
        if self.wants.all:
            self.hear(events)
            return content
        return b"".join(self.changed(events))

    def hear(self, events: Iterable[bytes]) -> None:
        for event in events:
            data = data_of(event)
            if data == DONE:
                self.close()
            elif data is not None:
                self.take(reply_of(data))

    def changed(self, events: Iterable[bytes]) -> Iterable[bytes]:
        for event in events:
            data = data_of(event)
            if data is None:
                yield event
            elif data == DONE:
                # The traces go off before the client knows that it may ask for them.
                self.close()
                yield event
            else:
                self.take(reply_of(data))
                kept = stripped(data, self.wants, chunk=True)
                if kept is not None:
                    yield event if kept is data else b"data: " + kept + b"\n\n"

    def rest(self) -> bytes:
        """What stands behind the last whole event of a stream that has ended."""
        left, self.events.rest = self.events.rest, b""
        if not left:
            return b""
        told = [left + b"\n\n"]
        if self.wants.all:
            self.hear(told)
            return b""  # it went off as it came
        return b"".join(self.changed(told))

    def take(self, reply: Reply | None) -> None:
        if reply is None:
            self.desk.counts.untraced["unreadable reply"] += 1
            return
        told = self.told
        told.id, told.model = told.id or reply.id or "", told.model or reply.model or ""
        told.fingerprint = reply.system_fingerprint or told.fingerprint
        told.usage = reply.usage or told.usage
        if reply.error is not None:
            told.error = "upstream_error"
        for choice in reply.choices:
            if choice.logprobs is UNSET and not self.wants.logprobs and not self.wants.omitted:
                # Asked for them, and it has none for this: a server that gives null would have given it.
                self.desk.omitted(self.asked.operation, self.asked.model)
                self.wants = replace(self.wants, omitted=True)
            answer = self.answers.get(choice.index)
            if answer is None:
                answer = self.answers[choice.index] = Answer(max(self.desk.top, 1))
            if answer.add(choice) and not self.first:
                self.first = self.desk.timer()

    def close(self, error: str | None = None, *, traced: bool = True) -> None:
        """Tell what became of it; a request that was refused is not ``traced``."""
        if self.closed:
            return
        self.closed = True
        error, ended = error or self.told.error, self.desk.timer()
        event = self.event(error, ended)
        self.desk.emit(event)
        finishes = tuple(each.finish or "error" for _, each in sorted(self.answers.items()))
        self.span.end(event, self.told.id or self.id, finishes)
        if not traced or self.desk.record is None:
            self.desk.counts.untraced["refused"] += 1
            return
        if error is None and not self.answers:
            self.desk.counts.untraced["no answer in the reply"] += 1
            return
        of_prompt: dict[int, list[Answer]] = {}
        for index, answer in sorted(self.answers.items()):
            answer.texts = ["".join(answer.texts)] if answer.texts else []
            of_prompt.setdefault(max(index, 0) // self.asked.choices, []).append(answer)
        for place in range(len(self.asked.prompts)):
            self.desk.record(self.tapped(place, of_prompt.get(place, []), error, ended))

    def tapped(self, place: int, answers: list[Answer], error: str | None, ended: float) -> Tapped:
        known = self.told.id if 0 < len(self.told.id) <= 120 else self.id
        return Tapped(
            id=known if place == 0 else f"{known}-{place}",
            asked=self.asked,
            place=place,
            told=self.told,
            answers=answers,
            context=Context(self.span.trace_id, self.span.span_id, self.span.parent_span_id),
            at=self.at,
            ended_at=self.desk.clock(),
            came=self.came,
            first=self.first,
            ended=ended,
            error=error,
        )

    def event(self, error: str | None, ended: float) -> Generated:
        usage, asked = self.told.usage, self.asked
        tokens = len(self.answers[0].tokens) if 0 in self.answers else 0
        first = self.first if asked.streams else 0.0
        return Generated(
            operation=asked.operation,
            requested=asked.model,
            # A name that only a client says could be any, and each would be a series of its own.
            model=self.desk.named(self.told.model) if self.told.model else UNKNOWN,
            error=error,
            streamed=asked.streams,
            seconds=ended - self.came,
            first_token_s=first - self.came if first else None,
            token_s=(ended - first) / (tokens - 1) if first and tokens > 1 else None,
            input_tokens=(usage.prompt_tokens or 0) if usage is not None else 0,
            output_tokens=(usage.completion_tokens or 0) if usage is not None else tokens,
        )
