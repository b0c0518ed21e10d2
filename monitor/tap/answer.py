"""One answer as its chunks come in: its text, its calls, and columns over its tokens."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from monitor.model.trace import Logprobs as Columns
from monitor.model.trace import OutputMessage, Part, Sample, TopK
from monitor.tap.asking import Call, ToolCall
from monitor.tap.replies import Logprobs, ReplyChoice, Said, Token

FINISHES: dict[str, Any] = {
    "stop": "stop", "length": "length", "content_filter": "content_filter", "tool_calls": "tool_call",
    "function_call": "tool_call", "eos_token": "stop", "stop_sequence": "stop", "abort": "error", "error": "error",
}  # fmt: skip
PLACES = 6


class Answer:
    """A choice; numbers are kept in arrays, for thousands of answers may wait for a broker.

    Attributes:
        logprob: of each token, in nats.
        best: the log-probabilities of the alternatives of all tokens, one behind the other.
        widths: how many of them each token has.
    """

    __slots__ = ("best", "calls", "finish", "logprob", "spelt", "starts", "texts", "tokens", "top", "widths")

    def __init__(self, top: int) -> None:
        self.top = top
        self.texts: list[str] = []
        self.calls: dict[int, Call] = {}
        self.finish: str | None = None
        self.tokens: list[str] = []
        self.spelt = bytearray()
        self.starts = array("q")
        self.logprob = array("d")
        self.best = array("d")
        self.widths = array("q")

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def add(self, choice: ReplyChoice) -> bool:
        """Take a chunk or a whole choice; whether it says anything."""
        before = len(self.texts) + len(self.calls)
        said = choice.delta or choice.message
        if said is not None:
            self.hear(said)
        elif choice.text:
            self.texts.append(choice.text)
        if choice.finish_reason is not None:
            self.finish = choice.finish_reason
        if choice.logprobs:
            self.note(choice.logprobs)
        return len(self.texts) + len(self.calls) > before

    def hear(self, said: Said) -> None:
        if isinstance(said.content, str) and said.content:
            self.texts.append(said.content)
        elif isinstance(said.content, list):
            parts = [part.get("text") for part in said.content if isinstance(part, dict)]
            self.texts += [part for part in parts if isinstance(part, str)]
        for place, call in enumerate(said.tool_calls or ()):
            self.call(place if call.index is None else call.index, call)

    def call(self, place: int, more: ToolCall) -> None:
        """Take more of a call: its name comes once, its arguments in pieces."""
        known, found = self.calls.get(place, Call()), more.function or Call()
        self.calls[place] = Call(known.name or found.name, (known.arguments or "") + (found.arguments or ""))

    def note(self, told: Logprobs) -> None:
        for token in told.content or ():
            self.token(token.token, token.logprob, spelling(token), [each.logprob for each in token.top_logprobs or ()])
        if told.tokens is None or told.token_logprobs is None:
            return
        best = told.top_logprobs or [None] * len(told.tokens)
        for text, logprob, alternatives in zip(told.tokens, told.token_logprobs, best, strict=False):
            self.token(text, logprob, text.encode(), list((alternatives or {}).values()))

    def token(self, text: str, logprob: float | None, spelt: bytes, best: Sequence[float | None]) -> None:
        if logprob is None:
            return
        self.tokens.append(text)
        self.starts.append(len(self.spelt))
        self.spelt += spelt
        self.logprob.append(logprob)
        kept = sorted((each for each in best if each is not None), reverse=True)[: self.top]
        self.best.extend(kept)
        self.widths.append(len(kept))

    def message(self, *, failed: bool) -> OutputMessage:
        """The message as far as it came; one that has no end because it ``failed`` says so."""
        text = self.text
        calls = [Part("tool_call", name=call.name, arguments=call.arguments) for _, call in sorted(self.calls.items())]
        parts = [Part(content=text)] if text or not calls else []
        return OutputMessage("assistant", [*parts, *calls], FINISHES.get(self.finish or ("error" if failed else "")))

    def sample(self) -> Sample:
        finish = FINISHES.get(self.finish or "")
        if not self.tokens:
            return Sample(self.text, finish)
        return Sample(self.text, finish, round(sum(self.logprob), PLACES), len(self.tokens))

    def columns(self, source: str) -> Columns | None:
        """The columns; None where the upstream told none. Servers tell no ids and no entropy."""
        if not self.tokens:
            return None
        # Where the tokens are not what was said (reasoning, hidden tokens), their places say nothing of it.
        fits = self.spelt.decode("utf-8", "replace").startswith(self.text)
        return Columns(
            unit="nats",
            source=source,
            tokens=self.tokens,
            byte_offsets=self.starts.tolist() if fits else [],
            logprob=[round(each, PLACES) for each in self.logprob],
            top_k=self.alternatives(),
        )

    def alternatives(self) -> TopK | None:
        if not self.best:
            return None
        rows: list[list[float]] = []
        place = 0
        for width in self.widths:
            rows.append([round(each, PLACES) for each in self.best[place : place + width]])
            place += width
        return TopK(max(self.widths), [], rows)


def spelling(token: Token) -> bytes:
    if token.bytes is None:
        return token.token.encode("utf-8", "surrogatepass")
    try:
        return bytes(token.bytes)
    except ValueError:  # numbers that are no bytes: the text has to do
        return token.token.encode("utf-8", "surrogatepass")
