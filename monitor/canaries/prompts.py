"""Golden prompts as people write them: JSON lines, or a prompt a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from monitor.errors import Permanent
from monitor.model.canary import MOST_CHARACTERS, MOST_NAME, Canary, Turn

MOST = 1000
"""Golden prompts of an installation; a round of more takes longer than a change may go unseen."""


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a file: ``prompt`` or ``messages``, and what is known of the answer."""

    prompt: str | None = None
    messages: list[Turn] | None = None
    name: Annotated[str, Meta(min_length=1, max_length=MOST_NAME)] | None = None
    system: str | None = None
    context: str | list[str] = []
    expected: str | list[str] = []
    max_tokens: Annotated[int, Meta(ge=1, le=4096)] | None = None


def read(text: str) -> list[Canary]:
    """The prompts of a file: JSON lines where its first line begins with a brace, else a prompt a line.

    Raises:
        Permanent: a line is none, by its number.
    """
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    structured = bool(lines) and lines[0][1].lstrip().startswith("{")
    found = []
    for number, line in lines:
        try:
            given = msgspec.json.decode(line, type=Line) if structured else Line(prompt=line.strip())
            found.append(canary(given))
        except (msgspec.MsgspecError, ValueError) as error:
            raise Permanent(f"line {number}: {error}") from error
    names = [each.name for each in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Permanent(f"expected names that differ, got {twice[0]!r} twice")
    return found


def canary(given: Line) -> Canary:
    """A golden prompt; without a name it is called by the first half of its digest. Raises ValueError."""
    if (given.prompt is None) == (given.messages is None):
        raise ValueError("expected one of prompt and messages")
    said = given.messages if given.messages is not None else [Turn("user", given.prompt or "")]
    if given.system is not None:
        said = [Turn("system", given.system), *said]
    if not said or not said[-1].content.strip():
        raise ValueError("expected a prompt, got nothing")
    context, expected = listed(given.context), listed(given.expected)
    size = sum(map(len, (*(turn.content for turn in said), *context, *expected)))
    if size > MOST_CHARACTERS:
        raise ValueError(f"expected at most {MOST_CHARACTERS} characters, got {size}")
    if "\0" in "".join((given.name or "", *(turn.content for turn in said), *context, *expected)):
        raise ValueError("expected text without NUL characters")
    made = Canary(
        name=given.name or "", messages=tuple(said), context=context, expected=expected, max_tokens=given.max_tokens
    )
    return made if made.name else msgspec.structs.replace(made, name=made.digest[:8])


def listed(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
