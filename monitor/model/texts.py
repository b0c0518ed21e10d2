"""What was asked and answered, as one text each."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.model.trace import Part, Trace


def parts_text(parts: Sequence[Part]) -> str:
    """The text of a message's text parts, joined by line ends."""
    texts = [part.content if isinstance(part.content, str) else part.text for part in parts if part.type == "text"]
    return "\n".join(text for text in texts if text)


def prompt_of(trace: Trace) -> str:
    """What was asked: ``prompt_text``, else the last user message."""
    if trace.prompt_text is not None:
        return trace.prompt_text
    for message in reversed(trace.input_messages):
        if message.role == "user":
            return parts_text(message.parts)
    return parts_text(trace.input_messages[-1].parts) if trace.input_messages else ""


def response_of(trace: Trace) -> str:
    """What was answered: the first output message."""
    return parts_text(trace.output_messages[0].parts) if trace.output_messages else ""
