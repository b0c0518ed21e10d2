"""Answers as a whole, and answers as they come."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from monitor.model.check import Decision
from monitor.model.generation import Choice, Piece
from monitor.serving import StreamCheck
from monitor.web.worker.asking import Asked
from monitor.web.worker.desk import Desk, Post
from monitor.web.worker.errors import Refused, error_body
from monitor.web.worker.turn import NO_ANSWER, Gone, Turn

DONE = b"data: [DONE]\n\n"
FILTERED = "content_filter"
# Answered to a client that is not there any more; a proxy's log tells it apart (nginx's number).
HUNG_UP = 499


async def answer(desk: Desk, post: Post, asked: Asked, request: Request) -> Response | Stream:
    """Answer a request; it is submitted here, so that a full queue is refused before anything is streamed."""
    turn = Turn(desk, post, asked)
    try:
        stopped = await turn.admitted()
        if stopped is None:
            turn.submit()
        if asked.ask.streams:
            return Stream(turn, stopped)
        return await whole(turn, stopped, request)
    except BaseException as error:
        turn.close(error.code if isinstance(error, Refused) else type(error).__name__.lower())
        raise


async def whole(turn: Turn, stopped: Decision | None, request: Request) -> Response:
    """The answer once all of its choices ended."""
    if stopped is not None:
        choices = [turn.asked.shape.choice(0, stopped.replacement or NO_ANSWER, Choice(), FILTERED)]
        return completed(turn, choices)
    watching = asyncio.ensure_future(turn.watch(request.receive))
    try:
        left = turn.asked.ask.choices
        while left:
            left -= (await turn.next()).finish is not None
    except Gone:
        turn.close("client_disconnected")
        return Response(status_code=HUNG_UP)
    finally:
        watching.cancel()
    return completed(turn, [await given(turn, place) for place in range(turn.asked.ask.choices)])


async def given(turn: Turn, place: int) -> dict[str, Any]:
    """A choice as it is given: the model's, or what the guard says instead."""
    assert turn.job is not None
    choice = turn.job.choices[place]
    stopped = await turn.approved(place)
    if stopped is not None:
        return turn.asked.shape.choice(place, stopped.replacement or NO_ANSWER, Choice(), FILTERED)
    return turn.asked.shape.choice(place, choice.text, choice, choice.finish)


def completed(turn: Turn, choices: list[dict[str, Any]]) -> Response:
    turn.close()
    told = turn.envelope(turn.asked.shape.whole)
    told |= {"choices": choices, "usage": turn.usage(), "driftwarden": turn.extension()}
    return Response(msgspec.json.encode(told), media_type="application/json")


class Stream(Response):
    """Server-sent events: chunks as they come, at last ``[DONE]``. A client that hangs up frees its slots."""

    def __init__(self, turn: Turn, stopped: Decision | None) -> None:
        super().__init__()
        self.turn, self.stopped = turn, stopped
        self.shape = turn.asked.shape
        self.frame = turn.envelope(self.shape.chunk)
        self.told = [0] * turn.asked.ask.choices
        self.open = set(range(turn.asked.ask.choices))
        self.checks: list[StreamCheck] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        watching = asyncio.ensure_future(self.turn.watch(receive))
        error: str | None = "client_disconnected"
        try:
            await self.write(send)
            error = None
        except Gone:
            return
        except Refused as failed:
            error = failed.code
            body = error_body(failed.status, failed.message, code=failed.code)
            await send({"type": "http.response.body", "body": b"data: " + body + b"\n\n" + DONE})
        finally:
            watching.cancel()
            self.turn.close(error)

    async def write(self, send: Send) -> None:
        if self.turn.desk.stream_check is not None and self.stopped is None:
            request = self.turn.request("output")
            self.checks = [self.turn.desk.stream_check(request) for _ in self.open]
        first = [opening for each in sorted(self.open) if (opening := self.shape.opening(each)) is not None]
        await self.send(send, first)
        if self.stopped is not None:
            await self.send(send, self.replaced(0, self.stopped))
            self.open.clear()
        while self.open:
            pieces = [await self.turn.next()]
            # What came meanwhile goes in the same write.
            while not self.turn.mailbox.empty():
                pieces.append(await self.turn.next())
            chunks = [chunk for piece in pieces for chunk in await self.chunks(piece)]
            await self.send(send, chunks)
        self.turn.decisions += self.checks[0].decisions[-1:] if self.checks else []
        end = b"" if not self.turn.asked.usage else self.event([], usage=self.turn.usage())
        # The trace goes off before the client knows that it may ask for it.
        self.turn.close()
        await send({"type": "http.response.body", "body": end + DONE})

    async def chunks(self, piece: Piece) -> list[dict[str, Any]]:
        """What to send of a piece; nothing of a choice that the guard ended."""
        place = piece.choice
        if place not in self.open:
            return []
        text, stopped = piece.text, None
        if self.checks:
            text, stopped = await self.checked(piece)
        assert self.turn.job is not None
        choice, made = self.turn.job.choices[place], []
        if text or (piece.finish and piece.tokens > self.told[place] and stopped is None):
            made.append(self.shape.piece(place, text, choice, (self.told[place], piece.tokens)))
            self.told[place] = piece.tokens
        if stopped is not None:
            self.open.discard(place)
            return [*made, *self.replaced(place, stopped)]
        if piece.finish is not None:
            self.open.discard(place)
            made.append(self.shape.closing(place, piece.finish))
        return made

    async def checked(self, piece: Piece) -> tuple[str, Decision | None]:
        """What the guard lets out of a piece, and the decision that ends the answer."""
        check = self.checks[piece.choice]
        loop, pool = asyncio.get_running_loop(), self.turn.desk.pool
        released = await loop.run_in_executor(pool, check.feed, piece.text)
        text = released.text
        if released.stopped is None and piece.finish is not None:
            assert self.turn.job is not None
            logprobs = self.turn.desk.logprobs(self.turn.job.choices[piece.choice])
            released = await loop.run_in_executor(pool, check.finish, piece.finish, logprobs)
            text += released.text
        return text, released.stopped

    def replaced(self, place: int, stopped: Decision) -> list[dict[str, Any]]:
        """What is said instead, on a line of its own where something was said before."""
        said = stopped.replacement or NO_ANSWER
        text = f"\n{said}" if self.told[place] else said
        return [self.shape.piece(place, text, Choice(), (0, 0)), self.shape.closing(place, FILTERED)]

    async def send(self, send: Send, choices: list[dict[str, Any]]) -> None:
        if choices:
            body = b"".join(self.event([choice]) for choice in choices)
            await send({"type": "http.response.body", "body": body, "more_body": True})

    def event(self, choices: list[dict[str, Any]], **fields: Any) -> bytes:
        return b"data: " + msgspec.json.encode({**self.frame, "choices": choices, **fields}) + b"\n\n"
