"""The texts of an exchange that rules read."""

from __future__ import annotations

from monitor.guard.policy import Reads
from monitor.model.texts import parts_text, prompt_of, response_of
from monitor.model.trace import Trace

OURS = frozenset({"system", "developer"})


def texts(trace: Trace, reads: Reads) -> list[tuple[str, str]]:
    """Names and texts, without empty ones: findings name the text that their spans point into.

    ``messages`` are all that do not come from the application itself: what users, models and tools said.
    """
    match reads:
        case "prompt":
            found = [("prompt", prompt_of(trace))]
        case "messages":
            found = [
                (f"messages:{place}", parts_text(message.parts))
                for place, message in enumerate(trace.input_messages)
                if message.role not in OURS
            ] or [("messages:0", prompt_of(trace))]
        case "context":
            found = [(f"context:{place}", passage.text) for place, passage in enumerate(trace.context)]
        case "output":
            found = [("output", response_of(trace))]
    return [(part, text) for part, text in found if text]
