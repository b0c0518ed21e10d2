"""Traces as the messages of a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from monitor.model.texts import parts_text
from monitor.model.trace import Part, Trace

Message = dict[str, str]

decode = msgspec.json.Decoder(Trace).decode


def conversation(trace: Trace) -> list[Message]:
    """What was asked, as messages of texts. A prompt without messages is a user's."""
    system = instructions(trace.system_instructions)
    opening = [said("system", system)] if system else []
    if not trace.input_messages:
        return [*opening, said("user", trace.prompt_text or "")]
    return [*opening, *(said(message.role, parts_text(message.parts)) for message in trace.input_messages)]


def instructions(told: Sequence[Any]) -> str:
    """The text of system instructions: texts, or parts as messages have them."""
    texts = [each if isinstance(each, str) else part_text(each) for each in told]
    return "\n".join(text for text in texts if text)


def part_text(part: Any) -> str:
    found = part.get("content", part.get("text")) if isinstance(part, dict) else None
    return found if isinstance(found, str) else ""


def said(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def all_text(trace: Trace) -> bool:
    """Whether prompt and answer are texts and nothing else: no picture, no call of a tool; and none is empty."""
    answer = trace.output_messages[0].parts if trace.output_messages else []
    if not text_alone(answer) or not parts_text(answer).strip():
        return False
    if not trace.input_messages:
        return bool(trace.prompt_text)
    return all(text_alone(message.parts) for message in trace.input_messages) and any(
        parts_text(message.parts).strip() for message in trace.input_messages
    )


def text_alone(parts: Sequence[Part]) -> bool:
    return all(part.type == "text" for part in parts)
