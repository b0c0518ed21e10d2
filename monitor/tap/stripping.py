"""Replies without what only the tap asked for; all else keeps the upstream's own bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

Fields: TypeAlias = dict[str, Raw]

NULL = Raw(b"null")

fields_of = msgspec.json.Decoder(Fields)
list_of = msgspec.json.Decoder(list[Fields])
raws_of = msgspec.json.Decoder(list[Raw])


@dataclass(frozen=True, slots=True)
class Wants:
    """What of a reply the client asked for.

    Attributes:
        logprobs: whether they are the client's at all.
        most: of the alternatives per token of a chat, where fewer were asked for than came.
        usage: whether a stream should end with its usage.
        omitted: log-probabilities that are not the client's are left out, as some servers have it, not null.
    """

    logprobs: bool = True
    most: int | None = None
    usage: bool = True
    omitted: bool = False

    @property
    def all(self) -> bool:
        return self.logprobs and self.most is None and self.usage


def stripped(content: bytes, wants: Wants, *, chunk: bool = False) -> bytes | None:
    """The reply as the client would have seen it without the tap; None for a chunk that would not have come.

    >>> stripped(b'{"id": 1, "choices": [{"logprobs": {"content": []}, "index": 0}]}', Wants(logprobs=False))
    b'{"id":1,"choices":[{"logprobs":null,"index":0}]}'
    """
    try:
        fields = fields_of.decode(content)
        choices = list_of.decode(fields.get("choices", NULL)) if not wants.logprobs or wants.most is not None else None
        if chunk and not wants.usage and without_usage(fields):
            return None
        if choices is not None:
            for choice in choices:
                strip_choice(choice, wants)
            fields["choices"] = Raw(msgspec.json.encode(choices))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return content  # an error object, or nothing that we know: it is not ours to change
    return msgspec.json.encode(fields)


def without_usage(fields: Fields) -> bool:
    """Take out the usage that is null where it is not asked for; whether the chunk is for the usage alone.

    Servers send it with no choice, LiteLLM with one that says nothing. Usage beside an answer or its end comes from
    servers that always tell it, and stays.
    """
    usage = fields.get("usage")
    if usage is None:
        return False
    if bytes(usage) == b"null":
        del fields["usage"]
        return False
    choices = msgspec.json.decode(fields.get("choices", NULL))
    return isinstance(choices, list) and not any(says(choice) for choice in choices)


def says(choice: Any) -> bool:
    """Whether a choice of a chunk tells more than its number and its role."""
    if not isinstance(choice, dict):
        return True
    delta = choice.get("delta")
    told = {**delta, "role": None} if isinstance(delta, dict) else {"text": choice.get("text")}
    return bool(choice.get("finish_reason")) or any(told.values())


def strip_choice(choice: Fields, wants: Wants) -> None:
    """Null log-probabilities that were not asked for; drop alternatives over those that were."""
    if "logprobs" not in choice:
        return
    if not wants.logprobs:
        if wants.omitted:
            del choice["logprobs"]
        else:
            choice["logprobs"] = NULL
        return
    logprobs = msgspec.json.decode(choice["logprobs"], type=Fields | None)
    if logprobs is None or bytes(logprobs.get("content", NULL)) == b"null":
        return
    tokens = list_of.decode(logprobs["content"])
    for token in tokens:
        if "top_logprobs" in token:
            best = raws_of.decode(token["top_logprobs"])
            token["top_logprobs"] = Raw(msgspec.json.encode(best[: wants.most]))
    choice["logprobs"] = Raw(msgspec.json.encode({**logprobs, "content": Raw(msgspec.json.encode(tokens))}))
