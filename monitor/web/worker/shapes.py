"""Answers and chunks of streams in the shapes of OpenAI's two endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from fastapi import Response

from monitor.model.generation import Choice


class Shape(Protocol):
    """One endpoint's objects; ``top`` is how many alternatives are told per token, None for no log-probabilities."""

    @property
    def prefix(self) -> str: ...
    @property
    def whole(self) -> str: ...
    @property
    def chunk(self) -> str: ...
    def choice(self, index: int, text: str, choice: Choice, finish: str | None) -> dict[str, Any]: ...

    def opening(self, index: int) -> dict[str, Any] | None:
        """What a stream of a choice begins with."""

    def piece(self, index: int, text: str, choice: Choice, span: tuple[int, int]) -> dict[str, Any]: ...

    def closing(self, index: int, finish: str) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class ChatShape:
    spelt: Sequence[bytes]
    top: int | None
    prefix: str = "chatcmpl"
    whole: str = "chat.completion"
    chunk: str = "chat.completion.chunk"

    def choice(self, index: int, text: str, choice: Choice, finish: str | None) -> dict[str, Any]:
        said = {"role": "assistant", "content": text, "refusal": None}
        told = self.logprobs(choice, (0, len(choice.ids)))
        return {"index": index, "message": said, "logprobs": told, "finish_reason": finish}

    def opening(self, index: int) -> dict[str, Any]:
        delta = {"role": "assistant", "content": "", "refusal": None}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def piece(self, index: int, text: str, choice: Choice, span: tuple[int, int]) -> dict[str, Any]:
        told = self.logprobs(choice, span)
        return {"index": index, "delta": {"content": text}, "logprobs": told, "finish_reason": None}

    def closing(self, index: int, finish: str) -> dict[str, Any]:
        return {"index": index, "delta": {}, "logprobs": None, "finish_reason": finish}

    def logprobs(self, choice: Choice, span: tuple[int, int]) -> dict[str, Any] | None:
        if self.top is None:
            return None
        return {"content": [self.token(choice, place) for place in range(*span)], "refusal": None}

    def token(self, choice: Choice, place: int) -> dict[str, Any]:
        alternatives = [self.spelling(token, logprob) for token, logprob in choice.top.at(place, self.top or 0)]
        return {**self.spelling(choice.ids[place], choice.logprob[place]), "top_logprobs": alternatives}

    def spelling(self, token: int, logprob: float) -> dict[str, Any]:
        spelt = self.spelt[token]
        return {"token": spelt.decode("utf-8", "replace"), "logprob": logprob, "bytes": list(spelt)}


@dataclass(frozen=True, slots=True)
class CompletionShape:
    spelt: Sequence[bytes]
    top: int | None
    prefix: str = "cmpl"
    whole: str = "text_completion"
    chunk: str = "text_completion"

    def choice(self, index: int, text: str, choice: Choice, finish: str | None) -> dict[str, Any]:
        told = self.logprobs(choice, (0, len(choice.ids)))
        return {"index": index, "text": text, "logprobs": told, "finish_reason": finish}

    def opening(self, index: int) -> None:
        return None

    def piece(self, index: int, text: str, choice: Choice, span: tuple[int, int]) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": self.logprobs(choice, span), "finish_reason": None}

    def closing(self, index: int, finish: str) -> dict[str, Any]:
        return {"index": index, "text": "", "logprobs": None, "finish_reason": finish}

    def logprobs(self, choice: Choice, span: tuple[int, int]) -> dict[str, Any] | None:
        if self.top is None:
            return None
        places = range(*span)
        written = b"".join(self.spelt[token] for token in choice.ids)
        return {
            "tokens": [self.text(choice.ids[place]) for place in places],
            "token_logprobs": [choice.logprob[place] for place in places],
            "top_logprobs": [self.best(choice, place) for place in places],
            # Characters before each token, as the API counts them.
            "text_offset": [len(written[: choice.starts[place]].decode("utf-8", "ignore")) for place in places],
        }

    def best(self, choice: Choice, place: int) -> dict[str, float]:
        return {self.text(token): logprob for token, logprob in choice.top.at(place, self.top or 0)}

    def text(self, token: int) -> str:
        return self.spelt[token].decode("utf-8", "replace")


def json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")
